"""What a run writes into the log, once for each process."""

import logging

import torch

from bench.models.base import Parameters, Shape
from bench.spec import Training
from bench.training.bank import _say_once, _stepper
from bench.training.members import Member
from bench.training.steppers import Looped


class Odd(torch.nn.Module):
    """Has a buffer, so it cannot be stacked."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)
        self.register_buffer("state", torch.zeros(1))


def test_that_members_are_trained_one_by_one_is_said_once(caplog, monkeypatch):
    monkeypatch.setattr(Looped, "__init__", lambda self, *arguments, **options: None)
    member = Member(Parameters(), Training(), 0, ("replicate", 0))
    _say_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            _stepper([Odd()], Shape(3, 1, 1), [member], device=torch.device("cpu"))
    (record,) = caplog.records
    assert record.getMessage().startswith("Odd is trained member by member: ")
