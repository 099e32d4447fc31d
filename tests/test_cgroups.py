"""Limits of containers, from the kernel's own files of both versions of control groups."""

from pathlib import Path

import pytest

from bench.cgroups import cpu_quota, memory_left, memory_limit, oom_kills
from bench.running import plan


def files(root: Path, content: dict[str, str]) -> Path:
    for name, text in content.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


V2 = {"proc/self/cgroup": "0::/kubepods/pod7/box"}
V1 = {"proc/self/cgroup": "9:memory:/docker/box\n4:cpu,cpuacct:/docker/box\n1:name=systemd:/docker/box\n0::/"}


@pytest.mark.parametrize(
    ("content", "quota"),
    [
        ({**V2, "sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({**V2, "sys/fs/cgroup/kubepods/pod7/box/cpu.max": "150000 100000"}, 1.5),
        ({**V2, "sys/fs/cgroup/kubepods/cpu.max": "400000 100000", "sys/fs/cgroup/cpu.max": "50000 100000"}, 0.5),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "200000 100000"}, 2.0),
        (
            {
                **V1,
                "sys/fs/cgroup/cpu,cpuacct/docker/box/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu,cpuacct/docker/box/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        ({**V1, "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "25000"}, 2.0),
        ({**V1, "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_the_tightest_quota_of_cpus_counts(tmp_path: Path, content: dict[str, str], quota: float | None) -> None:
    assert cpu_quota(files(tmp_path, content)) == quota


@pytest.mark.parametrize(
    ("content", "limit", "left"),
    [
        ({**V2, "sys/fs/cgroup/memory.max": "max", "sys/fs/cgroup/memory.current": "5"}, None, None),
        (
            {
                **V2,
                "sys/fs/cgroup/kubepods/memory.max": "1000",
                "sys/fs/cgroup/kubepods/memory.current": "700",
                "sys/fs/cgroup/kubepods/memory.stat": "anon 500\ninactive_file 200",
            },
            1000,
            500,
        ),
        (
            {
                **V1,
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "800",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "900",
            },
            800,
            0,
        ),
        ({**V1, "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, None, None),
    ],
)
def test_the_tightest_limit_of_memory_counts(
    tmp_path: Path, content: dict[str, str], limit: int | None, left: int | None
) -> None:
    root = files(tmp_path, content)
    assert (memory_limit(root), memory_left(root)) == (limit, left)


@pytest.mark.parametrize(("quota", "jobs"), [(0.5, 1), (1.9, 1), (2.0, 2), (64.0, 4), (None, 4)])
def test_jobs_follow_the_quota(monkeypatch: pytest.MonkeyPatch, quota: float | None, jobs: int) -> None:
    monkeypatch.setattr(plan.os, "sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr(plan, "cpu_quota", lambda: quota)
    assert plan.cpu_count() == jobs


@pytest.mark.parametrize(
    ("content", "kills"),
    [
        ({**V2, "sys/fs/cgroup/kubepods/pod7/box/memory.events": "low 0\noom 4\noom_kill 3\noom_group_kill 1"}, 3),
        ({**V1, "sys/fs/cgroup/memory/docker/box/memory.oom_control": "oom_kill_disable 0\noom_kill 2"}, 2),
        ({**V2, "proc/vmstat": "nr_free_pages 7\noom_kill 5"}, 5),
        (V2, None),
    ],
)
def test_kills_by_the_kernel_are_counted(tmp_path: Path, content: dict[str, str], kills: int | None) -> None:
    assert oom_kills(files(tmp_path, content)) == kills
