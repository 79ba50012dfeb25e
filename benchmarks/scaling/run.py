"""The tables of docs/scaling.md."""

from collections.abc import Mapping
from dataclasses import fields, replace

from benchmarks.scaling.calls import call_costs
from benchmarks.scaling.cluster import processes
from benchmarks.scaling.costs import CallCosts, JobCosts, WorkCosts
from benchmarks.scaling.measure import job_costs, throughput, work_costs
from benchmarks.scaling.simulation import Cluster, Load, Outcome, Simulation

WORKERS = (1, 2, 3)
GPUS = (1, 3, 10, 30, 100, 300, 1000)
CORES = 2
RESTING, COMPUTING = "resting", "efficientnet_lite0"
STEPS = {RESTING: (20, 100), COMPUTING: (5, 20)}
"""Of short jobs and of long ones, by which costs are told apart; the long ones are then simulated."""
JOBS_EACH = 12
# Steps of a GPU: olah2017 on a small network, and on a large one.
DEVICES = {"5 ms a step": (0.004, 0.001), "50 ms a step": (0.048, 0.002)}
"""Device and processor."""
LARGE_JOB = 512
"""Steps of the default recipe."""
ROOM = 0.7
"""Of jobs servers' time, beyond which another is wanted."""
PASSES = (0.5, 1.0, 2.0, 5.0)
"""Milliseconds of a GPU for one explanation."""
NODE_CORES = 16


def run() -> None:
    with processes() as running:
        client = running.start_server()
        costs = job_costs(running, client)
        work, measured = {}, {}
        for count in WORKERS:
            name = "worker" if count == 1 else f"worker-{count}"
            running.start_worker(name, CONVSCOPE_MODELS=f"{RESTING},{COMPUTING}", CONVSCOPE_THREADS="1")
            for model, (short, long) in STEPS.items():
                if count == 1:
                    work[model] = work_costs(running, client, model, short=short, long=long, jobs=JOBS_EACH)
                measured[model, count] = throughput(client, model, steps=long, workers=count, jobs=JOBS_EACH)
        client.close()
    print(_unit_costs(costs, work))
    print("\n| workers | network | measured, jobs/s | simulated | simulated / measured |\n|---|---|---|---|---|")
    for (model, count), found in measured.items():
        cluster = Cluster(count, cores=CORES, watchers=0)
        simulated = Simulation(cluster, Load(STEPS[model][1]), costs, work[model]).run(40).jobs_per_second
        print(f"| {count} | {model} | {found:.3f} | {simulated:.3f} | **{simulated / found:.2f}** |")
    for title, (device, processor) in DEVICES.items():
        print(f"\n{title}, {LARGE_JOB} steps a job, one watcher each, one jobs server, then as many as are wanted:\n")
        print("| GPUs | jobs/s | GPUs busy | store busy | jobs server busy | MB/s | servers | jobs/s | GPUs busy |")
        print("|---|---|---|---|---|---|---|---|---|")
        for gpus in GPUS:
            print(_fleet(gpus, costs, replace(work[RESTING], step_device=device, step_worker=processor)))
    print(_attribution(call_costs()))


def _unit_costs(costs: JobCosts, work: Mapping[str, WorkCosts]) -> str:
    rows: list[tuple[str, JobCosts | WorkCosts]] = [
        ("", costs),
        *((f" of `{model}`", of_model) for model, of_model in work.items()),
    ]
    return "| what | cost |\n|---|---|\n" + "\n".join(
        f"| {field.name}{of} | {_shown(field.name, getattr(row, field.name))} |"
        for of, row in rows
        for field in fields(row)
    )


def _shown(name: str, value: float) -> str:
    return f"{value / 1000:.0f} KB" if name.endswith("bytes") else f"{1000 * value:.3f} ms"


def _fleet(count: int, costs: JobCosts, work: WorkCosts) -> str:
    def simulated(servers: int) -> Outcome:
        return Simulation(Cluster(count, jobs_servers=servers), Load(LARGE_JOB), costs, work).run(
            3 if count < 100 else 1
        )

    one = several = simulated(1)
    servers = 1
    while several.servers >= ROOM:
        servers += 1
        several = simulated(servers)
    cells = (
        str(count),
        f"{one.jobs_per_second:.2f}",
        *(f"{part:.0%}" for part in (one.workers, one.store, one.servers)),
        f"{one.artifact_bytes_per_second / 1e6:.1f}",
        str(servers),
        f"{several.jobs_per_second:.2f}",
        f"{several.workers:.0%}",
    )
    return f"| {' | '.join(cells)} |"


def _attribution(costs: CallCosts) -> str:
    """What one server process gives at the most, by what runs out."""
    rows = [
        "\n| an explanation's | cost |\n|---|---|",
        f"| decoding, a core | {1000 * costs.decode:.2f} ms |",
        f"| interpreter, of which a process has one | {1000 * costs.interpreter:.2f} ms |",
        f"| store, with the cache | {1000 * costs.cache_store:.3f} ms |",
        f"\n| ms of the GPU | calls/s of the GPU | of a process | of {NODE_CORES} cores | first | replicas a GPU |",
        "|---|---|---|---|---|---|",
    ]
    for milliseconds in PASSES:
        limits = {
            "GPU": 1000 / milliseconds,
            "interpreter": 1 / costs.interpreter,
            "decoding": NODE_CORES / costs.decode,
        }
        first = min(limits, key=lambda name: limits[name])
        replicas = max(1, round(limits["GPU"] / limits["interpreter"] + 0.49))
        rows.append(
            f"| {milliseconds} | {limits['GPU']:.0f} | {limits['interpreter']:.0f} | {limits['decoding']:.0f} "
            f"| {first} | {replicas} |"
        )
    return "\n".join(rows)
