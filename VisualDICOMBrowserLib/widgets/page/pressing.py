"""What a click on an icon of a card or row does. Main thread only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from VisualDICOMBrowserLib.widgets.page.actions import PageActions
from VisualDICOMBrowserLib.widgets.page.calls import ViewCallbacks
from VisualDICOMBrowserLib.widgets.page.model import PageModel
from VisualDICOMBrowserLib.widgets.page.paint_card import sets_place

__all__ = ["act_on_icon", "press_icon"]


def press_icon(view: Any, model: PageModel, calls: ViewCallbacks, row: Any, rect: Any, point: Any) -> bool:
    """Act if `point` is on an icon of the series of a row that lies in `rect`; whether it was."""
    metrics, state = view.metrics, model.state(row.series)
    in_row = metrics.as_rows or row.kind == "compact"
    places = metrics.row(rect, not metrics.as_rows) if in_row else metrics.card(rect)
    if state.icon and state.act and places.state.contains(point):
        calls.icon(row.series)
        return True
    scene = places.scene if not in_row or state.icon else places.state
    if state.in_scene and scene.contains(point):
        calls.scene(row.series)
        return True
    overlays = model.mark_of(row.series).overlays
    if overlays and places.overlay.contains(point):
        calls.jump(overlays)
        return True
    if state.sets > 1 and not in_row and sets_place(metrics, places, row.series, state).contains(point):
        calls.options([row.series])
        return True
    return False


def act_on_icon(act: str, series: Any, job: Mapping[str, Any] | None, actions: PageActions) -> None:
    """Do what the icon of a series' state stands for (`CardState.act`)."""
    ids = [str(job["job_id"])] if job is not None else []
    if act == "fetch":
        actions.fetch([series])
    elif act == "top":
        actions.to_top(series)
    elif act == "pause" and ids:
        actions.pause(ids)
    elif act == "resume" and ids:
        actions.resume(ids)
    elif act == "retry" and ids:
        actions.retry(ids)
    elif act == "log" and ids:
        actions.show_job(ids[0])
    elif act == "options":
        actions.load_with_options([series])
    elif act == "install":
        actions.offer_extension(series)
