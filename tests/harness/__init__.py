"""What the outside tests (tests/diff, tests/e2e) share: ports, servers, RESP, a report of cases."""
