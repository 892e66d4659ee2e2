"""A basemap on the page: drawn under the network where one is configured, and no layer of it where none is."""

from __future__ import annotations

from typing import Any

GROUND = """() => {
  const { renderer } = document.querySelector('canvas[data-map]');
  const { camera } = renderer;
  const canvas = document.querySelector('canvas[data-map]');
  const ratio = canvas.width / camera.width;
  const [x, y] = renderer.scene.base.points;
  const at = [camera.sx(x + 3) * ratio, camera.sy(y + 3) * ratio];
  return [...canvas.getContext('2d').getImageData(Math.round(at[0]), Math.round(at[1]), 1, 1).data].slice(0, 3);
}"""


def test_a_configured_basemap_is_a_layer_with_its_credit(visit: Any, until: Any) -> None:
    """Water fills the page's middle from the geometry that the server hands out; the layer's box takes it away."""
    page = visit("#/city", ready=False).page

    def with_lake(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        x0, y0, x1, y1 = body["bbox"]
        wide, high = round((x1 - x0) * 10), round((y1 - y0) * 10)
        body["base"] = [[2, [[0, 0, wide, 0, 0, high, -wide, 0]]]]
        body["base_attribution"] = "© the <b>survey</b>"
        route.fulfill(response=answer, json=body)

    page.route("**/api/v1/geometry", with_lake)
    page.reload()
    until(page, "document.querySelector('canvas[data-map]')?.renderer?.scene.base.kind.length === 1")
    page.get_by_text("© the <b>survey</b>").wait_for()
    box = page.get_by_label("Basemap")
    assert box.is_checked()
    # Brought near to the shape's first corner, where no road runs.
    page.evaluate(
        """() => { const { camera, scene } = document.querySelector('canvas[data-map]').renderer;
        [camera.x, camera.y] = scene.base.points; camera.scale = 4; }"""
    )
    page.wait_for_timeout(2500)
    water = page.evaluate(GROUND)
    box.uncheck()
    page.wait_for_timeout(2500)
    bare = page.evaluate(GROUND)
    assert water != bare
    assert water[2] > water[0]


def test_without_one_there_is_no_such_layer(visit: Any, until: Any) -> None:
    """Nothing was configured: no box offers what is not there."""
    page = visit("#/city").page
    until(page, "document.querySelector('canvas[data-map]')?.renderer?.frames > 3")
    assert page.get_by_label("Basemap").count() == 0
