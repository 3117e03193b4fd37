"""Changes to a model are undone last first; hooks hear their own thread, and nothing of theirs stays."""

from threading import Thread

import torch
from torch import nn

from featuremaps.session.changes import Session, unhook


def test_changes_are_undone_last_first_and_those_of_a_pass_by_themselves() -> None:
    session, undone = Session(nn.Identity()), list[str]()
    session.before_undoing(lambda: undone.append("first"))
    with session.one_pass():
        session.before_undoing(lambda: undone.append("second"))
        session.before_undoing(lambda: undone.append("third"))
    assert undone == ["third", "second"]
    session.undo()
    session.undo()
    assert undone == ["third", "second", "first"]


def test_hooks_stand_before_or_after_the_users_and_come_off() -> None:
    model, heard = nn.Identity(), list[str]()
    model.register_forward_hook(lambda *_: heard.append("user's"))
    session = Session(model)
    with session.one_pass() as hooks:
        hooks.on_forward(model, lambda *_: heard.append("after"))
        hooks.on_forward(model, lambda *_: heard.append("before"), first=True)
        hooks.before_forward(model, lambda *_: heard.append("not run yet"))
        model(torch.zeros(1))
    assert heard == ["not run yet", "before", "user's", "after"]
    model(torch.zeros(1))
    assert heard[4:] == ["user's"]
    assert not model._forward_pre_hooks


def test_a_hook_changes_no_pass_of_another_thread() -> None:
    model, x = nn.Identity(), torch.ones(1)
    session = Session(model)
    given: list[float] = []
    with session.one_pass() as hooks:
        hooks.on_forward(model, lambda _module, _args, output: 2 * output)
        thread = Thread(target=lambda: given.append(float(model(x))))
        thread.start()
        thread.join(10)
        given.append(float(model(x)))
    assert given == [1.0, 2.0]


def test_a_hook_that_is_not_on_comes_off_without_harm() -> None:
    model = nn.Identity()
    model.register_forward_hook(lambda *_: None)
    unhook(model, lambda *_: None)
    assert len(model._forward_hooks) == 1
