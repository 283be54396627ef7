"""Tests on real sockets of the loopback interface: the few things that memory cannot show."""
