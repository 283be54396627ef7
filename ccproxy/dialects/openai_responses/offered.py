"""This module is the reading of the tools that a client offers and of its rule for calling them.

The upstream knows tools that take a JSON object and have a name. A tool in a namespace goes up under a name made of both; a custom tool,
which takes free text, takes an object with that text; ``local_shell`` takes a command. A `ccproxy.dialects.openai_responses.asked.CallForm`
tells how each of them is called before the client. Tools that the vendor's servers would run are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b

from attrs import frozen

from ccproxy import tools
from ccproxy.dialects.openai_responses.asked import CallForm, CallKind
from ccproxy.dialects.openai_responses.inputs import items
from ccproxy.fields import Fields, invalid
from ccproxy.framing import dumps
from ccproxy.prompt import Choice, Note, NoteCode, Tool, ToolChoice

_WORDS = ("auto", "none", "any", "required")
_MODES = {"auto": Choice.AUTO, "required": Choice.REQUIRED}
_KINDS = {"function": CallKind.FUNCTION, "tool": CallKind.FUNCTION, "custom": CallKind.CUSTOM}
_SHELL = CallForm("local_shell", CallKind.LOCAL_SHELL)
_SHELL_TOOL = Tool(
    _SHELL.name,
    "Runs a command on the user's machine and gives back what it wrote.",
    {
        "type": "object",
        "properties": {
            "command": {"type": "array", "items": {"type": "string"}, "description": "The program and its arguments."},
            "timeout_ms": {"type": "integer", "description": "Milliseconds after which the command is stopped."},
            "working_directory": {"type": "string", "description": "Where the command runs."},
            "env": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Environment variables to set.",
            },
        },
        "required": ["command"],
        "additionalProperties": False,
    },
)
_FREE_TEXT = "This tool takes free text, not JSON: put the whole text, exactly as the tool wants it, into `input`."
_INPUT = {"type": "string", "description": "The whole text for the tool."}
_CUSTOM_SCHEMA = {
    "type": "object",
    "properties": {"input": _INPUT},
    "required": ["input"],
    "additionalProperties": False,
}
_DIGEST_SIZE = 6


class Names:
    """The names under which tools go up, by how they are called before the client.

    Args:
        forms: The forms of the offered tools that are no plain functions, by the names that go up.
    """

    def __init__(self, forms: Mapping[str, CallForm]) -> None:
        self._names = {form: name for name, form in forms.items()}

    def of(self, form: CallForm) -> str:
        """The name of a tool, offered or not."""
        return self._names.get(form) or _flat(form)

    def meant(self, form: CallForm, offer: Collection[str]) -> str:
        """The name of the tool that a rule means: it need not tell the namespace or the kind where only one offered tool can be meant."""
        if self.of(form) in offer:
            return self.of(form)
        alike = self._alike.get(form.name, ())
        return alike[0] if len(alike) == 1 and form.namespace is None else self.of(form)

    def within(self, namespace: str) -> set[str]:
        """The names of all offered tools of a namespace."""
        return self._within.get(namespace, set())

    @cached_property
    def _alike(self) -> Mapping[str, Sequence[str]]:
        """The names that go up, by the one that the client knows."""
        alike: dict[str, list[str]] = {}
        for form, name in self._names.items():
            alike.setdefault(form.name, []).append(name)
        return alike

    @cached_property
    def _within(self) -> Mapping[str, set[str]]:
        """The names that go up, by their namespace."""
        within: dict[str, set[str]] = {}
        for form, name in self._names.items():
            if form.namespace is not None:
                within.setdefault(form.namespace, set()).add(name)
        return within


@frozen
class _Offer:
    """A tool as it was offered; its name is not the one that goes up yet."""

    form: CallForm
    tool: Tool


def offered(body: Fields, notes: list[Note]) -> tuple[tuple[Tool, ...], Mapping[str, CallForm]]:
    """The client's own tools, those among its input too, under the names that go up.

    Of several tools that are called in the same form by the same name, the last one counts.

    Returns:
        The tools, and the forms of those that are no plain functions.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    offers = {offer.form: offer.tool for offer in _offers(body, notes)}
    taken = {form.name for form in offers if form == CallForm(form.name)}
    found: dict[str, Tool] = {}
    forms: dict[str, CallForm] = {}
    for form, tool in offers.items():
        name = form.name
        if form != CallForm(name):
            name = _untaken(form, taken)
            taken.add(name)
            forms[name] = form
        found[name] = Tool(name, tool.description, tool.schema)
    return tuple(found.values()), forms


def choice(
    body: Fields, offer: tuple[Tool, ...], forms: Mapping[str, CallForm], notes: list[Note]
) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    """The client's rule for calling tools; one that the upstream cannot be told is left out with a note.

    Args:
        body: The request.
        offer: The tools that are offered.
        forms: Their forms.
        notes: What receives the note.

    Returns:
        The tools that may be called, for a rule may allow only some, and how free the model is to call them.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    rule = body.object("tool_choice") if isinstance(body.value("tool_choice"), dict) else None
    if rule is None or rule.string("type") in _WORDS:
        return offer, tools.choice(body, notes)
    names, known = Names(forms), {tool.name for tool in offer}
    if rule.string("type") == "allowed_tools":
        left, told = _allowed(rule.object("allowed_tools") or rule, names, known)
        offer = tuple(tool for tool in offer if tool.name in left)
    else:
        meant = _meant(rule, names, known)
        told = None if meant is None else ToolChoice(Choice.NAMED, meant)
    if told is None:
        notes.append(Note(NoteCode.TOOL_CHOICE_DROPPED, ("tool_choice",)))
    return offer, told


def _allowed(rule: Fields, names: Names, known: Collection[str]) -> tuple[set[str], ToolChoice | None]:
    """The names of the offered tools that may be called, and how freely; nothing of that when there are none."""
    mode = _MODES.get(rule.string("mode") or "auto")
    if mode is None:
        raise invalid(f"has to be one of {', '.join(_MODES)}.", rule.at("mode"))
    allowed: set[str] = set()
    for tool in rule.objects("tools"):
        if tool.string("type") == "namespace":
            allowed |= names.within(tool.required_string("name"))
        elif (meant := _meant(tool, names, known)) is not None:
            allowed.add(meant)
    allowed.intersection_update(known)
    return allowed, ToolChoice(mode) if allowed else None


def _meant(rule: Fields, names: Names, known: Collection[str]) -> str | None:
    """The name of the client's tool that a rule names; None where it means a tool of the vendor's servers."""
    kind = "function" if rule.has("function") else rule.required_string("type")
    if kind == _SHELL.name:
        return name if (name := names.of(_SHELL)) in known else None
    if kind not in _KINDS:
        return None
    inner = rule.object("function") or rule.object("custom") or rule
    return names.meant(CallForm(inner.required_string("name"), _KINDS[kind], inner.string("namespace")), known)


def _offers(body: Fields, notes: list[Note]) -> Iterator[_Offer]:
    for tool in body.objects("tools"):
        yield from _offer(tool, notes)
    for item in items(body):
        if item.peek("type") == "additional_tools":
            for tool in item.objects("tools"):
                yield from _offer(tool, notes)


def _offer(tool: Fields, notes: list[Note]) -> Iterator[_Offer]:
    if tool.string("type") == "namespace":
        namespace = tool.required_string("name")
        for inner in tool.objects("tools"):
            yield from _callable(inner, namespace, notes)
    elif tool.string("type") == _SHELL.name:
        yield _Offer(_SHELL, _SHELL_TOOL)
    else:
        yield from _callable(tool, None, notes)


def _callable(tool: Fields, namespace: str | None, notes: list[Note]) -> Iterator[_Offer]:
    match tool.string("type"):
        case "function" | None:
            function = tools.described(tool.object("function") or tool)
            yield _Offer(CallForm(function.name, CallKind.FUNCTION, namespace), function)
        case "custom":
            custom = _custom(tool.object("custom") or tool)
            yield _Offer(CallForm(custom.name, CallKind.CUSTOM, namespace), custom)
        case _:
            notes.append(Note(NoteCode.SERVER_TOOL_DROPPED, (tool.place,)))


def _custom(tool: Fields) -> Tool:
    sentences = [tool.string("description"), _FREE_TEXT, _grammar(tool.object("format"))]
    return Tool(
        tool.required_string("name"), "\n\n".join(sentence for sentence in sentences if sentence), _CUSTOM_SCHEMA
    )


def _grammar(form: Fields | None) -> str | None:
    if form is None or form.string("type") != "grammar":
        return None
    form = form.object("grammar") or form  # as Chat Completions has it
    definition = form.required_string("definition")
    return f"The text has to follow this grammar, in the syntax of {form.string('syntax') or 'lark'}:\n{definition}"


def _flat(form: CallForm) -> str:
    return form.name if form.namespace is None else f"{form.namespace}__{form.name}"


def _untaken(form: CallForm, taken: Collection[str]) -> str:
    """A name that no other tool has; it depends on nothing but the form, unless somebody is set on that name too."""
    if (flat := _flat(form)) not in taken:
        return flat
    text = dumps([form.kind.value, form.namespace, form.name])
    name = f"{flat}_{blake2b(text, digest_size=_DIGEST_SIZE).hexdigest()}"
    while name in taken:
        name += "_"
    return name
