"""Which kernels there are, which one is chosen, and KNNC_DISABLE_CPU_FEATURES."""

from __future__ import annotations

import platform
from functools import cache
from typing import Any

import pytest

from knnc.engine.dispatch import all_kernels, available_kernels, known_cpu_features
from knnc.engine.index import Index
from tests.engine.support import METRICS, draw, isa_of, metric_of, run_child

IS_X86 = platform.machine().lower() in ("x86_64", "amd64")
IS_ARM = platform.machine().lower() in ("aarch64", "arm64")


def test_the_names_are_operation_dtype_isa() -> None:
    names = all_kernels()
    assert len(set(names)) == len(names)
    for name in names:
        metric, dtype, isa = name.split("_")
        assert (metric in METRICS, dtype, isa.isalnum()) == (True, "u8", True), name


def test_those_that_run_are_among_those_compiled() -> None:
    assert set(available_kernels()) <= set(all_kernels())


@pytest.mark.parametrize("metric", METRICS)
def test_plain_c_is_always_there(metric: str) -> None:
    assert f"{metric}_u8_serial" in available_kernels()


@pytest.mark.skipif(not IS_X86, reason="the AVX kernels are for x86")
def test_the_x86_kernels_are_compiled() -> None:
    assert {f"{metric}_u8_{isa}" for metric in METRICS for isa in ("avx2", "avx512bw")} <= set(
        all_kernels()
    )
    assert {"sqeuclidean_u8_avx512vnni", "sqeuclidean_u8_avx512vl"} <= set(all_kernels())


@pytest.mark.skipif(not IS_ARM, reason="the NEON kernels are for ARM")
def test_the_arm_kernels_are_compiled() -> None:
    assert {f"{metric}_u8_neon" for metric in METRICS} <= set(all_kernels())
    assert {f"{metric}_u8_neondotprod" for metric in ("sqeuclidean", "manhattan")} <= set(
        all_kernels()
    )


@pytest.mark.skipif(not IS_X86, reason="these are features of x86")
@pytest.mark.parametrize(
    ("off", "best"),
    [
        ("", "avx512vnni"),
        ("avx512vnni", "avxvnni"),
        ("avx512vnni,avxvnni", "avx512bw"),
        ("avx512bw", "avxvnni"),
        ("avx512bw,avxvnni", "avx2"),
        ("avx2", "serial"),
    ],
)
def test_the_order_of_choice(off: str, best: str) -> None:
    """What is left of the features found decides, never the 256-bit twin of the 512-bit kernel."""
    if f"sqeuclidean_u8_{best}" not in available_kernels():
        pytest.skip(f"this CPU has no {best}")
    report = _with_disabled(off)
    assert report["chosen"]["sqeuclidean"] == f"sqeuclidean_u8_{best}"


@pytest.mark.parametrize("metric", METRICS)
def test_the_choice_is_not_plain_c_where_there_is_better(metric: str) -> None:
    others = [name for name in available_kernels() if metric_of(name) == metric]
    chosen = Index(draw(1, 9, 9), metric).kernel
    assert chosen in others
    assert isa_of(chosen) != "serial" or len(others) == 1


def test_a_kernel_of_another_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="manhattan"):
        Index(draw(1, 9, 9), "manhattan", kernel="sqeuclidean_u8_serial")


@pytest.mark.parametrize("kernel", ["", "serial", "sqeuclidean_u8_mmx"])
def test_an_unknown_kernel_is_refused(kernel: str) -> None:
    with pytest.raises(ValueError, match=f"{kernel}.*sqeuclidean_u8_serial"):
        Index(draw(1, 9, 9), "sqeuclidean", kernel=kernel)


def test_a_kernel_that_cannot_run_is_refused() -> None:
    missing = [name for name in all_kernels() if name not in available_kernels()]
    if not missing:
        pytest.skip("this CPU runs every kernel")
    for name in missing:
        with pytest.raises((ValueError, RuntimeError)):
            Index(draw(1, 9, 9), metric_of(name), kernel=name)


# --- KNNC_DISABLE_CPU_FEATURES, read once by a process, so each case is a child ---


@cache
def _with_disabled(features: str | None) -> dict[str, Any]:
    """What a process with these features disabled says; None leaves the variable out."""
    environment = {} if features is None else {"KNNC_DISABLE_CPU_FEATURES": features}
    return run_child("dispatch", module="kernel_children", **environment)


def test_without_the_variable_a_child_runs_what_this_process_runs() -> None:
    report = _with_disabled(None)
    assert "Warning" not in report["stderr"]
    assert set(available_kernels()) <= set(report["available"])


@pytest.mark.skipif(not IS_X86, reason="these are features of x86")
@pytest.mark.parametrize("features", ["avx512vnni,avx2", "avx2", "avx512vnni"])
def test_disabled_features(features: str) -> None:
    report = _with_disabled(features)
    assert "Warning" not in report["stderr"]
    assert set(report["all"]) == set(all_kernels()), "what is compiled in does not change"
    assert not {isa_of(name) for name in report["available"]} & set(features.split(","))
    for metric in METRICS:
        assert f"{metric}_u8_serial" in report["available"]
        assert report["chosen"][metric] in report["available"]
        assert report["exact"][metric]
    for name, refused in report["refused"].items():
        assert refused == (name not in report["available"]), name


def test_with_every_feature_disabled_plain_c_runs() -> None:
    every = ",".join(known_cpu_features())
    report = _with_disabled(every)
    assert "Warning" not in report["stderr"]
    assert {isa_of(name) for name in report["available"]} == {"serial"}
    assert report["chosen"] == {metric: f"{metric}_u8_serial" for metric in METRICS}
    assert all(report["exact"].values())


def test_commas_disable_nothing() -> None:
    report = _with_disabled(" ,,")
    assert "Warning" not in report["stderr"]
    assert set(available_kernels()) <= set(report["available"])


@pytest.mark.parametrize("features", ["avx512vni,avx2", "serial"])
def test_an_unknown_feature_does_not_pass_silently(features: str) -> None:
    report = _with_disabled(features)
    assert "RuntimeWarning" in report["stderr"]
    assert features.split(",")[0] in report["stderr"]
    if IS_X86:
        for known in ("avx2", "avx512vnni"):
            assert known in report["stderr"], "the message names the features there are"
    if features.endswith(",avx2"):  # a typing error does not undo the rest
        assert "avx2" not in {isa_of(name) for name in report["available"]}
