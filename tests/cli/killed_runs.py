"""Runs searches one after another, each in a fresh process, some of which kill themselves; a script.

Its argument is JSON: a list of ``{"argv": [...], "log": FILE, "kill": null | [PHASE, DONE] | ["replace", NAME]}``.
A process kills itself with SIGKILL as soon as DONE units of PHASE are done, or when it is about to move a complete
temporary file over a file of this NAME. Prints a list of what the processes ended with: exit codes, or minus the
signal.

Everything is imported once, before the processes part: imports take longer than such a search.
"""

import json
import os
import signal
import sys

import timm  # noqa: F401
import torch

import trueshot.cli.deliver
import trueshot.cli.rank_request
import trueshot.cli.request
import trueshot.core.files
import trueshot.reporting.report
import trueshot.training.tracking
from trueshot.cli.main import run
from trueshot.cli.progress import Lines


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def arm(what, when):
    if what == "replace":
        replace = os.replace

        def replaced(source, target):
            if os.path.basename(target) == when:
                die()
            replace(source, target)

        os.replace = replaced
        return
    advance = Lines.advance

    def advanced(self, phase, done):
        advance(self, phase, done)
        if phase == what and done >= when:
            die()

    Lines.advance = advanced


def child(plan):
    log = os.open(plan["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if plan["kill"] is not None:
        arm(*plan["kill"])
    # Export and report come after the last phase and have tests of their own.
    trueshot.cli.deliver.export_decision = lambda *_: {}
    trueshot.reporting.report.write_report = lambda run: run.report
    return run(plan["argv"])


def main():
    torch.set_num_threads(1)
    ends = []
    for plan in json.loads(sys.argv[1]):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = child(plan)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(json.dumps(ends))


main()
