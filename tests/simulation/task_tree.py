"""Every task of the run and where it waits: what a hang is told with."""

import trio


def task_tree(*, below: str = "") -> str:
    """Tasks, indented by depth; with `below`, only those under the task whose name ends so. Empty: there are none."""
    root = trio.lowlevel.current_root_task()
    if root is None:
        return "(no task runs)"
    lines: list[str] = []
    _add(root, 0, lines, below=below, inside=not below)
    return "\n".join(lines)


def _add(task: trio.lowlevel.Task, depth: int, lines: list[str], *, below: str, inside: bool) -> None:
    if inside:
        lines.append(f"{'  ' * depth}{task.name.rpartition('.')[2]}  {_where(task)}")
    inside = inside or task.name.endswith(below)
    for nursery in task.child_nurseries:
        for child in sorted(nursery.child_tasks, key=lambda one: one.name):
            _add(child, depth + 1, lines, below=below, inside=inside)


def _where(task: trio.lowlevel.Task) -> str:
    """The innermost place outside trio."""
    place = ""
    for frame, line in task.iter_await_frames():
        path = frame.f_code.co_filename
        if "/trio/" not in path:
            place = f"{path.rpartition('/')[2]}:{line} {frame.f_code.co_name}"
    return place
