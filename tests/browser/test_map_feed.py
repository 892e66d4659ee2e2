"""The live map: frames are small, and what they bring moves on the canvas."""

from __future__ import annotations

CHANGES = """async () => {
  const canvas = document.querySelector('canvas[data-map]');
  const ctx = canvas.getContext('2d');
  const shot = () => {
    const { data } = ctx.getImageData(canvas.width * 0.3, canvas.height * 0.3, 300, 200);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum = (sum * 31 + data[i] + data[i + 1] * 3) | 0;
    return sum;
  };
  const seen = new Set();
  for (let i = 0; i < 12; i++) {
    await new Promise(requestAnimationFrame);
    seen.add(shot());
  }
  return seen.size;
}"""


def test_vehicles_move_between_the_frames_of_the_feed(visit, until):
    """Twelve frames of the screen, at ten of the feed a second, show more than a few different pictures."""
    page = visit("#/city").page
    until(page, "document.querySelector('canvas[data-map]')?.renderer?.vehicles.count > 1000")
    page.wait_for_timeout(500)
    assert page.evaluate(CHANGES) >= 6


def test_frames_stay_small(visit, until):
    """A frame of the load-test city takes at most 20 KB, the first full one aside."""
    opened = visit("#/emergency", ready=False)
    page = opened.page
    sizes: list[int] = []
    page.on("websocket", lambda ws: ws.on("framereceived", lambda data: sizes.append(len(data))))
    page.reload()
    until(page, "document.querySelector('.standing b') !== null")
    page.wait_for_timeout(3000)
    binary = [size for size in sizes if size > 200]
    assert len(binary) > 5
    assert sorted(binary)[-2] <= 20_000


def test_all_sensors_are_drawn_on_demand(visit, until):
    """120,000 sensors come when they are asked for, not before."""
    opened = visit("#/city")
    page = opened.page
    assert not any(url.endswith("/sensors.bin") for url in opened.asked)
    page.get_by_label("Sensors").first.check()
    until(page, "document.querySelector('canvas[data-map]')?.renderer?.scene.sensors !== null")
    assert page.evaluate("document.querySelector('canvas[data-map]').renderer.scene.sensors.x.length") == 120_000
