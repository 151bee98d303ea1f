"""TAP from Python tests: one line a case, the plan at the end, a failure's details as comments."""

import sys


class Tap:
    def __init__(self):
        self.count = self.failures = 0

    def case(self, name, complaints=(), skip=None):
        """One case: it passed when there are no complaints. `skip`: why it could not be tried."""
        self.count += 1
        complaints = [str(c) for c in complaints]
        ok = not complaints
        self.failures += not ok
        directive = f" # SKIP {skip}" if skip and ok else ""
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name.replace('#', '')}{directive}")
        for complaint in complaints:
            for line in complaint.splitlines()[:60]:
                print("#  ", line)
        sys.stdout.flush()
        return ok

    def end(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failures else 0)
