// Draws the dashboard's charts and brings its figures up to date every half minute. Without this the page has a table.
"use strict";
(() => {
  const SECONDS = 30;
  const COLOURS = { sent: "--mc-good", failed: "--mc-bad", waiting: "--mc-warn" };
  let drawn = [];

  const section = () => document.querySelector(".mc-dashboard");

  function draw(place) {
    drawn.forEach((chart) => chart.destroy());
    drawn = [];
    const source = place.querySelector('script[type="application/json"]');
    if (!source || typeof uPlot === "undefined") return;
    const data = JSON.parse(source.textContent);
    place.classList.add("mc-drawn");
    const style = getComputedStyle(place);
    const line = style.getPropertyValue("--mc-line") || "gray";
    const stroke = style.color;
    for (const box of place.querySelectorAll("[data-chart]")) {
      const name = box.dataset.chart;
      const colour = style.getPropertyValue(COLOURS[name]).trim() || stroke;
      const axis = { stroke, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: `11px ${style.fontFamily}` };
      const hour = (value) => new Intl.DateTimeFormat(document.documentElement.lang || undefined,
        { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: place.dataset.zone || undefined }).format(new Date(value * 1000));
      const whole = (value) => new Intl.NumberFormat(document.documentElement.lang || undefined, { notation: "compact" }).format(value);
      const series = name === "waiting"
        ? { label: name, stroke: colour, width: 2, points: { show: false } }
        : { label: name, stroke: colour, fill: colour, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.7, 40] }) };
      drawn.push(new uPlot({
        width: box.clientWidth,
        height: 170,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { show: false } },
        scales: { x: { time: true, range: (_chart, least, most) => [least - 1800, most + 1800] }, y: { range: (_chart, _least, most) => [0, Math.max(1, most * 1.1)] } },
        axes: [
          { ...axis, space: 45, values: (_chart, values) => values.map(hour) },
          { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7], values: (_chart, values) => values.map(whole) },
        ],
        series: [{}, series],
      }, [data.at, data[name]], box));
    }
  }

  async function refresh() {
    const old = section();
    // Somebody who is in the middle of it, by keyboard or by marking text, is left alone.
    if (!old || document.hidden || old.contains(document.activeElement) || !document.getSelection().isCollapsed) return;
    let answer;
    try {
      answer = await fetch(old.dataset.url, { credentials: "same-origin", redirect: "error" });
    } catch {
      return;
    }
    if (!answer.ok) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".mc-dashboard");
    if (!found || old.contains(document.activeElement)) return;
    found.querySelector("details").open = old.querySelector("details").open;
    old.replaceWith(found);
    draw(found);
  }

  function start() {
    const place = section();
    if (!place) return;
    place.querySelector("details").open = false;
    draw(place);
    const again = () => { const now = section(); if (now) draw(now); };
    let waits;
    new ResizeObserver(() => { clearTimeout(waits); waits = setTimeout(again, 150); }).observe(place.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ["class", "data-theme", "data-bs-theme"] });
    setInterval(refresh, SECONDS * 1000);
    document.addEventListener("visibilitychange", refresh);
    document.addEventListener("mailconfig:refresh", refresh);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
