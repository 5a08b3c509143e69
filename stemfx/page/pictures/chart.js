// Lines over time by uPlot: play position, click to seek, legend with the values under the pointer.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  const LEFT = 44; // px for the level axis, as much as maps have for theirs

  // A number per block as uPlot wants it: null where there is none.
  const valuesOf = (numbers) => Array.from(numbers, (x) => (Number.isFinite(x) ? x : null));

  // Each horizontal line that is in view, with its y in device px.
  const inView = (plot, lines) => lines.map((line) => [line, Math.round(plot.valToPos(line.value, "y", true))])
    .filter(([, y]) => y >= plot.bbox.top && y <= plot.bbox.top + plot.bbox.height);

  const ruled = (lines, theme) => (plot) => {
    const { ctx: pen, bbox } = plot;
    const scale = globalThis.devicePixelRatio || 1;
    pen.save();
    pen.lineWidth = scale;
    for (const [line, y] of inView(plot, lines)) {
      pen.strokeStyle = line.colour(theme);
      pen.setLineDash((line.dash ?? []).map((d) => d * scale));
      pen.beginPath();
      pen.moveTo(bbox.left, y);
      pen.lineTo(bbox.left + bbox.width, y);
      pen.stroke();
    }
    pen.restore();
  };

  // What the lines say, over the series, with a rim of the ground so that it can be read there.
  const named = (lines, theme) => (plot) => {
    const { ctx: pen, bbox } = plot;
    const scale = globalThis.devicePixelRatio || 1;
    pen.save();
    pen.font = `${11 * scale}px ${theme.font}`;
    pen.textAlign = "right";
    pen.lineWidth = 4 * scale;
    pen.lineJoin = "round";
    for (const [line, y] of inView(plot, lines.filter(({ text }) => text))) {
      const is_below = y - bbox.top < 16 * scale;
      pen.textBaseline = is_below ? "top" : "bottom";
      pen.strokeStyle = theme.panel;
      pen.fillStyle = line.colour(theme);
      for (const write of ["strokeText", "fillText"])
        pen[write](line.text, bbox.left + bbox.width - 4 * scale, y + (is_below ? 3 : -2) * scale);
    }
    pen.restore();
  };

  function optionsOf(wanted, width, theme, now) {
    const length_s = wanted.length_s ?? wanted.data.duration_s;
    const axis = { stroke: theme.dim, font: `11px ${theme.font}`, ticks: { stroke: theme.line, size: 4 },
      grid: { stroke: theme.line, width: 0.5 } };
    return {
      width,
      height: wanted.height ?? 200,
      legend: { show: false },
      padding: [8, wanted.right ?? 18, 0, 0],
      cursor: { drag: { x: false, y: false, setScale: false }, y: false, points: { show: false },
        sync: { key: "stemfx", scales: ["x", null] } },
      scales: { x: { time: false, range: [0, length_s] }, y: { range: wanted.range } },
      axes: [
        { ...axis, size: 28, splits: (plot) => stemfx.timeTicks(0, length_s, plot.width - 50).ticks,
          values: (_, ticks) => ticks.map((t) => stemfx.dom.clock(t, t % 1 ? 1 : 0)) },
        { ...axis, size: LEFT, values: (_, ticks) => ticks.map((v) => stemfx.said.level(v, v % 1 ? 1 : 0)) },
      ],
      series: [{}, ...wanted.series.map((line) => ({
        stroke: line.colour(theme), width: line.width ?? 1.5, dash: line.dash, alpha: line.alpha ?? 1,
        fill: line.fill?.(theme), fillTo: line.fill ? 0 : undefined, points: { show: false },
      }))],
      hooks: { drawAxes: [ruled(wanted.lines ?? [], theme)], draw: [named(wanted.lines ?? [], theme)],
        setCursor: [(plot) => now.legend(plot.cursor.idx)],
        setSize: [() => now.place()] },
    };
  }

  // Put a chart into `element`. `wanted`: page, data, label, height, range [low, high], step_s and
  // place (value k stands at (k + place) step_s; the middle of its step if not told), series [{values, colour(theme), width, dash,
  // alpha, fill}], lines [{value, text, colour(theme), dash}], right (px left free there), length_s (the song's if not told), legend [{colour(theme), dash, tell(k | null) -> text}].
  stemfx.chart = (element, wanted) => {
    const { page, step_s, place = 0.5 } = wanted;
    const kept = stemfx.keeper();
    const area = stemfx.dom.el("div", { class: "pic-chart", role: "img", "aria-label": wanted.label });
    const legend = stemfx.dom.el("p", { class: "pic-legend", "aria-hidden": "true" });
    const cursor = stemfx.dom.el("div", { class: "pic-cursor" });
    element.append(area, legend);

    const n = Math.max(1, ...wanted.series.map((line) => line.values.length));
    const table = [Array.from({ length: n }, (_, k) => (k + place) * step_s),
      ...wanted.series.map((line) => Object.assign(new Array(n).fill(null), valuesOf(line.values)))];
    let plot = null;
    let position_s = page.position ?? 0;
    let texts = [];
    cursor.hidden = position_s < 0;
    const now = {
      legend: (k) => wanted.legend.forEach((entry, i) => { if (texts[i]) texts[i].data = entry.tell(k ?? null); }),
      place: () => {
        if (plot) cursor.style.transform = `translateX(${plot.valToPos(position_s, "x")}px)`;
      },
    };
    const writeLegend = (theme) => {
      texts = wanted.legend.map((entry) => document.createTextNode(entry.tell(null)));
      legend.replaceChildren(...wanted.legend.map((entry, i) => {
        const swatch = stemfx.dom.el("span", { class: entry.dash ? "pic-swatch pic-dashed" : "pic-swatch" });
        swatch.style.color = entry.colour(theme);
        return stemfx.dom.el("span", { class: "pic-entry" }, swatch, texts[i]);
      }));
    };
    const draw = () => {
      if (!element.clientWidth) return;
      plot?.destroy();
      const theme = stemfx.theme(element);
      writeLegend(theme);
      plot = new uPlot(optionsOf(wanted, element.clientWidth, theme, now), table, area);
      plot.over.append(cursor);
      plot.over.addEventListener("click", (event) => {
        const x = event.clientX - plot.over.getBoundingClientRect().left;
        stemfx.hearFrom(page, plot.posToVal(x, "x"));
      });
      now.place();
    };
    kept.keep(stemfx.redrawn(element, page, draw));
    kept.keep(page.on("position", (now_s) => {
      position_s = now_s;
      now.place();
    }));
    draw();
    return {
      destroy: () => {
        kept.end();
        plot?.destroy();
        area.remove();
        legend.remove();
      },
    };
  };
})();
