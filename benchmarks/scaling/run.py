"""The tables of docs/scaling.md."""

from dataclasses import fields

from benchmarks.scaling.calls import call_costs
from benchmarks.scaling.cluster import processes
from benchmarks.scaling.costs import CallCosts, JobCosts, StepCosts
from benchmarks.scaling.measure import job_costs, step_costs, throughput
from benchmarks.scaling.simulation import Cluster, Load, Simulation

WORKERS = (1, 2, 3)
GPUS = (1, 3, 10, 30, 100, 300, 1000)
CORES = 2
STEPS, JOBS_EACH = 100, 6
CPU_MODEL, CPU_STEPS, CPU_JOBS_EACH = "efficientnet_lite0", 20, 3
# Steps of a GPU: olah2017 on a small network, and on a large one.
DEVICES = {"5 ms a step": StepCosts(0.004, 0.001), "50 ms a step": StepCosts(0.048, 0.002)}
LARGE_JOB = 512
"""Steps of the default recipe."""
PASSES = (0.5, 1.0, 2.0, 5.0)
"""Milliseconds of a GPU for one explanation."""
NODE_CORES = 16


def run() -> None:
    with processes() as running:
        client = running.start_server()
        costs = job_costs(running, client)
        resting = step_costs(running, client, "resting")
        measured = {"resting": {1: throughput(client, JOBS_EACH, "resting", STEPS)}}
        computing = step_costs(running, client, CPU_MODEL)
        measured[CPU_MODEL] = {1: throughput(client, CPU_JOBS_EACH, CPU_MODEL, CPU_STEPS)}
        for count in WORKERS[1:]:
            running.start_worker(f"worker-{count}", CONVSCOPE_MODELS=f"resting,{CPU_MODEL}", CONVSCOPE_THREADS="1")
            measured["resting"][count] = throughput(client, count * JOBS_EACH, "resting", STEPS)
            measured[CPU_MODEL][count] = throughput(client, count * CPU_JOBS_EACH, CPU_MODEL, CPU_STEPS)
        client.close()
    print(_unit_costs(costs, resting, computing))
    print("\n| workers | network | measured, jobs/s | simulated | simulated / measured |\n|---|---|---|---|---|")
    for model, step, steps in (("resting", resting, STEPS), (CPU_MODEL, computing, CPU_STEPS)):
        for count in WORKERS:
            cluster = Cluster(count, cores=CORES, watchers=0)
            simulated = Simulation(cluster, Load(steps), costs, step).run(20).jobs_per_second
            found = measured[model][count]
            print(f"| {count} | {model} | {found:.3f} | {simulated:.3f} | **{simulated / found:.2f}** |")
    for title, step in DEVICES.items():
        print(f"\n{title}, {LARGE_JOB} steps a job, one watcher each, one jobs server, then as many as are wanted:\n")
        print("| GPUs | jobs/s | GPUs busy | store busy | jobs server busy | MB/s | servers | jobs/s | GPUs busy |")
        print("|---|---|---|---|---|---|---|---|---|")
        for count in GPUS:
            print(_fleet(count, costs, step))
    print(_attribution(call_costs()))


def _unit_costs(costs: JobCosts, resting: StepCosts, computing: StepCosts) -> str:
    rows = [f"| {field.name} | {_shown(field.name, getattr(costs, field.name))} |" for field in fields(costs)]
    rows += [
        f"| a step of `{name}`, processor / device | {1000 * step.worker:.2f} ms / {1000 * step.device:.2f} ms |"
        for name, step in (("resting", resting), (CPU_MODEL, computing))
    ]
    return "| what | cost |\n|---|---|\n" + "\n".join(rows)


def _shown(name: str, value: float) -> str:
    return f"{value / 1000:.0f} KB" if name.endswith("bytes") else f"{1000 * value:.3f} ms"


def _fleet(count: int, costs: JobCosts, step: StepCosts) -> str:
    one = Simulation(Cluster(count), Load(LARGE_JOB), costs, step).run(3)
    servers = 1
    while True:
        several = Simulation(Cluster(count, jobs_servers=servers), Load(LARGE_JOB), costs, step).run(3)
        if several.servers < 0.7 or several.store > 0.95:
            break
        servers += max(1, servers // 2)
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
