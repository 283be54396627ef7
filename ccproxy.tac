"""This module is the daemon for a supervisor: ``twistd -n --pidfile= -y ccproxy.tac``, configured by file and environment."""

from twisted.application.service import Application

from ccproxy.service import Options, makeService

options = Options()
options.parseOptions([])

application = Application("ccproxy")
makeService(options).setServiceParent(application)
