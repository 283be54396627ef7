"""Tests for the configuration: where values come from, what is refused, and in which words."""

import json
import os
from pathlib import Path

from attrs import asdict, evolve, fields
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.config import Config, Setting, settings
from ccproxy.loading import ConfigError, Loaded, load

ALIASES = st.dictionaries(st.text(min_size=1), st.text(min_size=1)).map(lambda aliases: tuple(aliases.items()))
HEADER = st.from_regex(r"(?:[!-~](?:[ -~]*[!-~])?)?", fullmatch=True)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
property_test = hypothesis_settings(database=None, deadline=None)


def setting(key: str) -> Setting:
    """Find a setting by its key."""
    return next(each for each in settings() if each.key == key)


class ConfigTestCase(SynchronousTestCase):
    """Loads configurations from a directory of its own."""

    def setUp(self) -> None:
        """Make the directory."""
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        self.path = os.path.join(self.directory, "config.json")

    def write(self, text: str) -> None:
        """Write the configuration file."""
        Path(self.path).write_text(text, encoding="utf-8", errors="surrogatepass")

    def load(self, environ: dict[str, str] | None = None, **options: object) -> Loaded:
        """Load what the directory, an environment and options say."""
        return load(path=None, environ=environ or {}, options=options, directory=self.directory)

    def from_file(self, **members: object) -> Config:
        """Load a file with these members."""
        self.write(json.dumps(members))
        return self.load().config

    def refusal(self, environ: dict[str, str] | None = None, **options: object) -> str:
        """What is said when that cannot be loaded, without the directory."""
        error = self.assertRaises(ConfigError, self.load, environ, **options)
        return str(error).replace(self.directory + os.sep, "")

    def file_refusal(self, text: str) -> str:
        """What is said about a file of this text."""
        self.write(text)
        return self.refusal()


class SourcesTests(ConfigTestCase):
    """Where values come from, and which source wins."""

    def test_nothing_given(self) -> None:
        """Without file, environment and options, every setting has its default."""
        loaded = self.load()

        self.assertEqual(loaded, Loaded(Config(), None, ()))

    def test_frozen(self) -> None:
        """A configuration cannot be changed."""
        self.assertRaises(FrozenInstanceError, setattr, Config(), "port", 1)

    def test_original_file(self) -> None:
        """A file with all the keys of the first program of this kind can be dropped in."""
        original = {
            "port": 3050,
            "host": "127.0.0.1",
            "apiBase": "https://example.org",
            "projectSlug": "slug",
            "logFile": "proxy.log",
            "logLevel": "warn",
            "useProviderModels": False,
            "modelRefreshIntervalMs": 1000,
        }

        config = self.from_file(**original)

        expected = Config(
            port=3050,
            host="127.0.0.1",
            api_base="https://example.org",
            project_slug="slug",
            log_file="proxy.log",
            log_level="warn",
            use_provider_models=False,
            model_refresh_interval_ms=1000,
        )
        self.assertEqual(config, expected)

    def test_source_of_usual_file(self) -> None:
        """The file that was found in the directory is named."""
        self.write("{}")

        self.assertEqual(self.load().source, self.path)

    def test_named_file_in_place_of_usual(self) -> None:
        """A file that is named is read in place of the one in the directory."""
        self.write('{"port": 1}')
        named = self.mktemp()
        Path(named).write_text('{"port": 2}')

        loaded = load(path=named, environ={}, options={}, directory=self.directory)

        self.assertEqual((loaded.config.port, loaded.source), (2, named))

    def test_environment_over_file(self) -> None:
        """A variable wins over the file."""
        self.write('{"port": 1}')

        self.assertEqual(self.load({"PORT": "2"}).config.port, 2)

    def test_option_over_environment(self) -> None:
        """An option wins over a variable."""
        self.assertEqual(self.load({"PORT": "2"}, port="3").config.port, 3)

    def test_prefixed_over_short_variable(self) -> None:
        """The prefixed variable wins over the short one, which then is not even looked at."""
        self.assertEqual(self.load({"PORT": "nonsense", "CCPROXY_PORT": "4"}).config.port, 4)

    def test_short_variables(self) -> None:
        """The six short variables work."""
        environ = {
            "PORT": "1",
            "HOST": "::1",
            "CC_API_BASE": "http://example.org",
            "PROJECT_SLUG": "slug",
            "LOG_FILE": "a.log",
            "CC_USE_PROVIDER_MODELS": "false",
        }

        config = self.load(environ).config

        expected = Config(
            port=1,
            host="::1",
            api_base="http://example.org",
            project_slug="slug",
            log_file="a.log",
            use_provider_models=False,
        )
        self.assertEqual(config, expected)

    def test_empty_variable(self) -> None:
        """An empty variable counts as unset, for a number as for a text."""
        self.write('{"logFile": "a.log"}')

        config = self.load({"PORT": "", "LOG_FILE": "", "CCPROXY_LOG_FILE": ""}).config

        self.assertEqual((config.port, config.log_file), (3000, "a.log"))

    def test_empty_option(self) -> None:
        """An empty option empties a text."""
        self.write('{"logFile": "a.log"}')

        self.assertEqual(self.load(log_file="").config.log_file, "")

    def test_option_not_given(self) -> None:
        """An option that is None leaves the weaker sources alone, and a stranger is ignored."""
        self.write('{"port": 1}')

        self.assertEqual(self.load(port=None, version=True).config.port, 1)

    def test_parsed_option(self) -> None:
        """An option may come parsed."""
        self.assertEqual(self.load(port=5, simulator=True).config, Config(port=5, simulator=True))

    def test_port_option_replaces_endpoints(self) -> None:
        """A port or a host on the command line replaces the endpoints of the file."""
        self.write('{"listen": "tcp:1"}')

        self.assertEqual(self.load(port="2").config, Config(port=2))
        self.assertEqual(self.load(host="::1").config, Config(host="::1"))

    def test_listen_option_beside_port_option(self) -> None:
        """Endpoints on the command line stay when a port is given there too."""
        self.assertEqual(self.load(port="2", listen=["tcp:1"]).config.listen, ("tcp:1",))

    def test_port_variable_beside_endpoints(self) -> None:
        """A PORT in the environment, which may be there by chance, leaves the endpoints of the file alone."""
        self.write('{"listen": "tcp:1"}')

        self.assertEqual(self.load({"PORT": "2"}).config.listen, ("tcp:1",))

    @property_test
    @given(
        st.builds(
            Config,
            port=st.integers(0, 65535),
            project_slug=HEADER,
            ping_interval=st.floats(0, 1e9),
            model_aliases=ALIASES,
        )
    )
    def test_round_trip(self, config: Config) -> None:
        """What a file says in valid values is what the configuration holds."""
        values = {**asdict(config), "model_aliases": dict(config.model_aliases)}

        loaded = self.from_file(**{each.key: values[each.attribute] for each in settings()})

        self.assertEqual(loaded, config)


class ValuesTests(ConfigTestCase):
    """What a value may be, and what becomes of it."""

    def test_aliases(self) -> None:
        """Aliases are pairs in their order, from a JSON object in the file or in the environment."""
        self.assertEqual(
            self.from_file(modelAliases={"claude-*": "a", "b": "c"}).model_aliases, (("claude-*", "a"), ("b", "c"))
        )
        self.assertEqual(self.load({"CCPROXY_MODEL_ALIASES": '{"a": "b"}'}).config.model_aliases, (("a", "b"),))

    def test_trailing_slash(self) -> None:
        """A slash at the end of apiBase is dropped."""
        self.assertEqual(self.from_file(apiBase="http://[::1]:80/base//").api_base, "http://[::1]:80/base")

    def test_version_url_stays(self) -> None:
        """The version document's URL may have a query, and stays as it is."""
        self.assertEqual(self.from_file(versionUrl="http://h/x/?a=b/").version_url, "http://h/x/?a=b/")

    def test_listen_in_file(self) -> None:
        """Endpoints are a text, which is one endpoint, or a list."""
        self.assertEqual(self.from_file(listen="unix:/a b").listen, ("unix:/a b",))
        self.assertEqual(self.from_file(listen=["tcp:1", "tcp:2"]).listen, ("tcp:1", "tcp:2"))

    def test_listen_in_environment(self) -> None:
        """In the environment, whitespace separates the endpoints."""
        self.assertEqual(self.load({"CCPROXY_LISTEN": " tcp:1\ttcp:2 "}).config.listen, ("tcp:1", "tcp:2"))

    def test_whole_seconds(self) -> None:
        """Seconds may be whole; they are always kept as a float."""
        value = self.from_file(pingInterval=3).ping_interval

        self.assertIsInstance(value, float)
        self.assertEqual(value, 3.0)

    def test_fraction_of_seconds(self) -> None:
        """Seconds may have a fraction, in the environment too."""
        self.assertEqual(self.load({"CCPROXY_PING_INTERVAL": ".5"}).config.ping_interval, 0.5)

    def test_off(self) -> None:
        """Every limit can be 0, which is off."""
        limits = [each for each in settings() if type(each.default) in (int, float)]

        config = self.from_file(**{each.key: 0 for each in limits})

        self.assertEqual({getattr(config, each.attribute) for each in limits}, {0})

    def test_flag_texts(self) -> None:
        """A flag in the environment may be said in the usual ways."""
        for text, value in {"true": True, "1": True, "On": True, "yes": True, "FALSE": False, "0": False}.items():
            self.assertEqual(self.load({"CCPROXY_STRICT": text}).config.strict, value, text)

    def test_levels(self) -> None:
        """A level may be in capitals, and "warning" is "warn"."""
        self.assertEqual(self.from_file(logLevel="DEBUG").log_level, "debug")
        self.assertEqual(self.from_file(logLevel="warning").log_level, "warn")

    def test_byte_order_mark(self) -> None:
        """A byte order mark, which some editors write, does no harm."""
        self.write('\ufeff{"port": 1}')

        self.assertEqual(self.load().config.port, 1)

    def test_wrong_values(self) -> None:
        """A value that a setting cannot have is refused, and the error names the field."""
        wrong: dict[str, list[object]] = {
            "port": ["3000", -1, 65536, 1.0, True, None, [1], {"a": 1}],
            "host": ["", "a b", "a\nb", "hôte", 1],
            "listen": ["", "3000", ["tcp:1", 2], [["tcp:1"]], "tcp:1\n", 3000, {}],
            "apiBase": [
                "example.org",
                "ftp://h",
                "http://",
                "http://:80",
                "http://h:99999",
                "http://h:0",
                "http://h:x",
                "http://u:p@h",
                "http://h?q",
                "http://h/?",
                "http://h#f",
                "http://h/ x",
                "http://h/é",
                "http://[zz]",
                " http://h",
                "http://h\n",
                1,
            ],
            "versionUrl": ["", "file:///etc/passwd", "http://u@h/x", "http://h/x#f"],
            "projectSlug": ["a\r\nx: y", "\x00", "\x85", "日本", 1, None],
            "userAgent": ["a\nb", "€"],
            "cliVersion": ["1\n", 1],
            "logFile": ["a\x00b", False],
            "logLevel": ["loud", "", 1],
            "logFormat": ["xml", None],
            "strict": ["true", 1, 0, None],
            "silenceTimeout": [-1, -0.5, True, "1", None, float("nan"), float("inf"), 10**400],
            "maxBodyBytes": [-1, 1.5, False, "1", 10**400],
            "modelRefreshIntervalMs": [0.5, -1],
        }
        for key, values in wrong.items():
            for value in values:
                refusal = self.file_refusal(json.dumps({key: value}))

                self.assertIn(f'config.json: field "{key}": expected {setting(key).shape.expected}, got ', refusal)

    def test_wrong_texts(self) -> None:
        """A text in the environment that a setting cannot have is refused."""
        wrong = {
            "CCPROXY_PORT": ["abc", "1.0", "-1", "true"],
            "CCPROXY_STRICT": ["maybe", "2"],
            "CCPROXY_PING_INTERVAL": ["nan", "inf", "1e999", "1s"],
            "CCPROXY_MAX_BODY_BYTES": ["32M", "9" * 5000],
            "CCPROXY_LISTEN": ["3000", "tcp:1 x"],
        }
        for name, texts in wrong.items():
            for text in texts:
                self.assertIn(f"environment variable {name}: expected ", self.refusal({name: text}))


class RefusalTests(ConfigTestCase):
    """The words in which a configuration is refused."""

    def test_field_of_file(self) -> None:
        """A wrong value in the file is said with file and field."""
        self.assertEqual(
            self.file_refusal('{"port": "abc"}'),
            'config.json: field "port": expected an integer from 0 to 65535, got "abc"',
        )

    def test_variable(self) -> None:
        """A wrong variable is said by the name that was used."""
        self.assertEqual(
            self.refusal({"PORT": "abc"}), 'environment variable PORT: expected an integer from 0 to 65535, got "abc"'
        )

    def test_option(self) -> None:
        """A wrong option is said as it is written on the command line."""
        self.assertEqual(
            self.refusal(ping_interval="-1"),
            'option --ping-interval: expected a number of seconds, 0 or more, got "-1"',
        )

    def test_parsed_option(self) -> None:
        """A parsed option of the wrong type is refused too."""
        self.assertEqual(self.refusal(strict=1), "option --strict: expected true or false, got 1")

    def test_nested_value(self) -> None:
        """Nested values are refused without being shown."""
        self.assertIn("got an object", self.file_refusal('{"port": {"a": 1}}'))
        self.assertIn("got a list", self.file_refusal('{"port": [1]}'))

    def test_unknown_key(self) -> None:
        """An unknown key is refused with the nearest known one, whatever its case."""
        self.assertEqual(
            self.file_refusal('{"API_BASE": "http://h"}'),
            'config.json: field "API_BASE": unknown, the nearest known one is "apiBase"',
        )

    def test_duplicate_key(self) -> None:
        """A key that is given twice is refused, as one of the two would be lost silently."""
        self.assertEqual(self.file_refusal('{"port": 1, "port": 1}'), 'config.json: field "port": given twice')

    def test_broken_json(self) -> None:
        """Broken JSON is said with line and column."""
        self.assertEqual(
            self.file_refusal('{\n  "port": 1,,\n}'),
            "config.json: line 2, column 13: Expecting property name enclosed in double quotes",
        )

    def test_no_object(self) -> None:
        """A file that holds no object is refused."""
        self.assertEqual(self.file_refusal("[]"), "config.json: expected a JSON object, got a list")

    def test_unusable_json(self) -> None:
        """Depths, numbers and bytes that the parser cannot take are refused like any other fault."""
        deep, long = "[" * 200_000, '{"port": ' + "9" * 5000 + "}"
        for text in (deep, long, '{"host": "\ud800"}'):
            self.assertEqual(self.file_refusal(text), "config.json: not a usable JSON file in UTF-8")

    def test_missing_file(self) -> None:
        """A file that is named has to be there."""
        error = self.assertRaises(ConfigError, load, path="no\nfile", environ={}, options={})

        self.assertEqual(str(error), "no\\nfile: cannot be read: No such file or directory")

    def test_unreadable_usual_file(self) -> None:
        """The usual file is not passed over when it is there and cannot be read."""
        os.mkdir(self.path)

        self.assertEqual(self.refusal(), "config.json: cannot be read: Is a directory")

    def test_long_value(self) -> None:
        """A long value is cut."""
        refusal = self.file_refusal(json.dumps({"port": "long " * 1000}))

        self.assertTrue(refusal.endswith('got "' + ("long " * 12)[:59] + "…"), refusal)

    def test_store_url(self) -> None:
        """What may hold the password of a store is shown neither in an error, whatever is wrong with it, nor with the configuration."""
        for url in ("canary", "redis:canary@host", "http://canary", "redis://user:canary@host/x"):
            refusals = [self.file_refusal(json.dumps({"storeUrl": value})) for value in (url, [url])]
            self.write("{}")
            for refusal in (*refusals, self.refusal(store_url=url), self.refusal({"CCPROXY_STORE_URL": url})):
                self.assertIn("a value that may be secret", refusal)
                self.assertNotIn("canary", refusal)

        self.assertNotIn("canary", repr(self.from_file(storeUrl="redis://:canary@host")))

    def test_secrets(self) -> None:
        """A value that may be a secret is not shown, in a wrong place as in a wrong form."""
        secrets = [
            "user_test_key",
            "Bearer test",
            "sk-test",
            "http://user:pass@h",
            "0a" * 16,
            "x" * 500 + "user_test_key",
        ]
        for secret in secrets:
            for refusal in (
                self.file_refusal(json.dumps({"port": secret})),
                self.file_refusal(json.dumps({secret: 1})),
                self.file_refusal(json.dumps({"apiBase": "x" + secret})),
            ):
                self.assertIn("a value that may be secret", refusal)
                self.assertNotIn(secret, refusal)

    def assert_loaded_or_refused(self, environ: dict[str, str] | None = None, start: str = "") -> None:
        """Whatever happens is a configuration, or a refusal in one printable line that starts like this."""
        try:
            self.load(environ)
        except ConfigError as error:
            self.assertTrue(str(error).isprintable(), str(error))
            self.assertTrue(str(error).startswith(start), str(error))

    @property_test
    @given(JSON_VALUES | st.dictionaries(st.sampled_from([each.key for each in settings()]), JSON_VALUES, max_size=3))
    def test_any_json(self, document: object) -> None:
        """Whatever JSON the file holds, it is loaded or refused in one printable line."""
        self.write(json.dumps(document))

        self.assert_loaded_or_refused(start=self.path)

    @property_test
    @given(st.binary())
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever bytes the file holds, it is loaded or refused in one printable line."""
        Path(self.path).write_bytes(data)

        self.assert_loaded_or_refused(start=self.path)

    @property_test
    @given(st.sampled_from([name for each in settings() for name in each.environment]), st.text())
    def test_any_text(self, name: str, text: str) -> None:
        """Whatever text a variable holds, the setting takes it or refuses it in one printable line."""
        self.assert_loaded_or_refused({name: text}, start=f"environment variable {name}: ")


class WarningTests(ConfigTestCase):
    """What is worth a line in the log but is no reason to stop."""

    def test_unknown_variable(self) -> None:
        """An unknown variable with our prefix is ignored, and the nearest known one is named."""
        loaded = self.load({"CCPROXY_PROT": "1", "OTHER": "x"})

        self.assertEqual(loaded.config, Config())
        self.assertEqual(
            loaded.warnings,
            ('environment variable "CCPROXY_PROT": ignored, the nearest known one is CCPROXY_PORT',),
        )

    def test_service_link(self) -> None:
        """The address that Kubernetes puts into CCPROXY_PORT is no port; another source's is taken."""
        loaded = self.load({"CCPROXY_PORT": "tcp://10.0.0.1:3000", "PORT": "8080"})

        self.assertEqual(loaded.config.port, 8080)
        self.assertEqual(
            loaded.warnings,
            ("environment variable CCPROXY_PORT: ignored, a container platform's link to a service",),
        )

    def test_value_not_shown(self) -> None:
        """The value of an unknown variable is not shown."""
        (warning,) = self.load({"CCPROXY_KEY": "hush"}).warnings

        self.assertNotIn("hush", warning)


class SettingsTests(SynchronousTestCase):
    """The table from which documentation and help are made."""

    def test_one_for_each_attribute(self) -> None:
        """Every attribute has a setting, in the same order and with the same default."""
        found = [(each.attribute, each.default) for each in settings()]

        self.assertEqual(found, [(attribute.name, attribute.default) for attribute in fields(Config)])

    def test_names(self) -> None:
        """The names of a setting follow from its attribute."""
        found = setting("modelRefreshIntervalMs")

        self.assertEqual(
            (found.attribute, found.environment, found.option, found.unit),
            (
                "model_refresh_interval_ms",
                ("CCPROXY_MODEL_REFRESH_INTERVAL_MS",),
                "--model-refresh-interval-ms",
                "ms",
            ),
        )

    def test_short_names(self) -> None:
        """The short variables come after the prefixed ones."""
        short = {each.key: each.environment[1:] for each in settings() if len(each.environment) > 1}

        self.assertEqual(
            short,
            {
                "port": ("PORT",),
                "host": ("HOST",),
                "apiBase": ("CC_API_BASE",),
                "projectSlug": ("PROJECT_SLUG",),
                "useProviderModels": ("CC_USE_PROVIDER_MODELS",),
                "logFile": ("LOG_FILE",),
            },
        )

    def test_defaults(self) -> None:
        """The defaults are the documented ones."""
        defaults = {each.key: each.default for each in settings()}

        self.assertEqual(
            defaults,
            {
                "port": 3000,
                "host": "0.0.0.0",  # noqa: S104 - the documented default
                "listen": (),
                "workers": 1,
                "apiBase": "https://api.commandcode.ai",
                "upstreamClient": "httptools",
                "projectSlug": "cc-proxy",
                "userAgent": "",
                "zeroDataRetention": False,
                "cliVersion": "",
                "versionUrl": "https://cdn.jsdelivr.net/npm/command-code/package.json",
                "versionRefreshInterval": 86400,
                "useProviderModels": True,
                "modelRefreshIntervalMs": 300000,
                "refreshTimeout": 10,
                "modelAliases": (),
                "reasoningStyle": "field",
                "splitThinkTags": False,
                "structuredRepair": True,
                "strict": False,
                "simulator": False,
                "storeUrl": "",
                "storeBytes": 67108864,
                "storeSeconds": 3600,
                "logFile": "",
                "logLevel": "info",
                "logFormat": "text",
                "connectTimeout": 10,
                "silenceTimeout": 900,
                "streamIdleTimeout": 30,
                "documentIdleTimeout": 90,
                "clientStallTimeout": 300,
                "clientHeaderTimeout": 15,
                "clientIdleTimeout": 75,
                "clientBodyTimeout": 30,
                "pingInterval": 10,
                "headerDelay": 15,
                "drainTimeout": 1,
                "shutdownGrace": 25,
                "maxBodyBytes": 33554432,
                "maxHeaderBytes": 16384,
                "maxHeaders": 500,
                "maxDocumentBytes": 33554432,
                "maxLineBytes": 16777216,
                "maxConnections": 10000,
                "maxExchanges": 5000,
                "maxExchangesPerKey": 0,
                "keyConcurrency": 0,
            },
        )

    def test_units(self) -> None:
        """What is a time or a size has a unit, and each has a line of help."""
        for each in settings():
            ending = each.attribute.rpartition("_")[2]
            expected = {
                "ms": "ms",
                "bytes": "bytes",
                **dict.fromkeys(("timeout", "interval", "delay", "grace", "seconds"), "s"),
            }

            self.assertEqual(each.unit, expected.get(ending, ""), each.key)
            self.assertTrue(each.help.isprintable() and each.help, each.key)

    def test_defaults_are_valid(self) -> None:
        """Every default is a value that its own check takes unchanged."""
        for each in settings():
            self.assertEqual(each.shape.check(each.default), each.default, each.key)

    def test_evolve(self) -> None:
        """A changed copy is made like that of any other value."""
        self.assertEqual(evolve(Config(), port=1), Config(port=1))
