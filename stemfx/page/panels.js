// What came of the run, at a glance and step by step: outcome, findings with their fixes, checks, steps.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, button, db, clock, count, copyButton } = stemfx.dom;

  const LEVELS = { error: "Error", warn: "Warning", info: "Note" };
  const NEAR_LU = 0.5; // as close to the target as a delivery asks
  const SHOWN_NOTES = 3;

  // A scale with the value as a bar and the target as a mark.
  function meter({ name, value, unit, from, to, mark, markWord, isGood, digits }) {
    const at = (x) => `${Math.min(100, Math.max(0, (100 * (x - from)) / (to - from)))}%`;
    const fill = el("div", { class: "fill" });
    fill.style.width = Number.isFinite(value) ? at(value) : "0";
    const scale = el("div", { class: "scale", "aria-hidden": "true" }, fill);
    if (mark !== null) {
      const line = el("div", { class: "mark" });
      line.style.left = at(mark);
      scale.append(line);
    }
    const verdict = isGood === null ? "" : isGood ? "is-good" : "is-off";
    return el(
      "div",
      { class: `meter ${verdict}` },
      el("span", { class: "name", text: name }),
      el("strong", { text: db(value, unit, digits) }),
      scale,
      el("span", {
        class: "aim",
        text:
          mark === null
            ? "no target set"
            : `${markWord} ${db(mark, unit)}${isGood ? ", met" : isGood === null ? "" : ", missed"}`,
      }),
    );
  }

  function meters(data) {
    const result =
      data.points.findLast((point) => point.role === "master") ??
      data.points.findLast((point) => point.role === "mix");
    if (!result) return el("p", { class: "note", text: "This run made no mix." });
    const { lufs = null, ceiling_dbtp = null } = data.target ?? {};
    const isNear = lufs === null || result.lufs === null ? null : Math.abs(result.lufs - lufs) <= NEAR_LU;
    const isUnder =
      ceiling_dbtp === null || result.true_peak_dbtp === null
        ? null
        : result.true_peak_dbtp <= ceiling_dbtp + 0.05;
    const name = result.role === "master" ? "master" : "mix";
    return el(
      "div",
      { class: "meters" },
      meter({
        name: `Loudness of the ${name}`,
        value: result.lufs,
        unit: "LUFS",
        from: -30,
        to: -4,
        mark: lufs,
        markWord: "target",
        isGood: isNear,
        digits: 1,
      }),
      meter({
        name: "True peak",
        value: result.true_peak_dbtp,
        unit: "dBTP",
        from: -24,
        to: 2,
        mark: ceiling_dbtp,
        markWord: "ceiling",
        isGood: isUnder,
        digits: 2,
      }),
    );
  }

  function verdict(data) {
    const n = (level) => data.findings.filter((finding) => finding.level === level).length;
    const failed = data.steps.filter((step) => step.status === "failed").length;
    const missed = data.checks.filter((check) => !check.passed).length;
    const parts = [
      failed && `${count(failed, "step")} failed`,
      n("error") && count(n("error"), "error"),
      missed && `${count(missed, "check")} not passed`,
      n("warn") && count(n("warn"), "warning"),
    ].filter(Boolean);
    const state = failed || n("error") || missed ? "error" : n("warn") ? "warn" : "good";
    const text = parts.length
      ? parts.join(", ")
      : n("info")
        ? `Nothing is wrong; ${count(n("info"), "note")}.`
        : "Nothing is wrong.";
    return el("p", { class: `verdict is-${state}`, text });
  }

  function findingItem(finding) {
    return el(
      "li",
      { class: `finding is-${finding.level}` },
      el(
        "p",
        {},
        el("span", { class: `tag is-${finding.level}`, text: LEVELS[finding.level] ?? finding.level }),
        " ",
        finding.message,
        " ",
        el("code", { class: "where", text: finding.node }),
      ),
      finding.fix
        ? el(
            "div",
            { class: "fix" },
            el("pre", { text: finding.fix }),
            copyButton(finding.fix, "Copy fix", finding.fix),
          )
        : null,
    );
  }

  function findingsList(data) {
    const rank = Object.keys(LEVELS);
    const ordered = [...data.findings].sort(
      (one, other) => rank.indexOf(one.level) - rank.indexOf(other.level),
    );
    const n_first = Math.max(SHOWN_NOTES, ordered.filter((finding) => finding.level !== "info").length);
    const list = (findings) => el("ul", { class: "findings" }, ...findings.map(findingItem));
    const more = ordered.slice(n_first);
    return [
      ordered.length ? list(ordered.slice(0, n_first)) : null,
      more.length
        ? el("details", {}, el("summary", { text: `${count(more.length, "more note")}` }), list(more))
        : null,
    ];
  }

  const checksList = (data) =>
    data.checks.length
      ? el(
          "ul",
          { class: "checks" },
          ...data.checks.map((check) =>
            el(
              "li",
              { class: check.passed ? "is-good" : "is-error" },
              el("span", {
                class: `tag is-${check.passed ? "good" : "error"}`,
                text: check.passed ? "passed" : "failed",
              }),
              " ",
              check.line,
            ),
          ),
        )
      : null;

  // A path of the run as a relative address: whatever it holds, it leads to no other scheme.
  const hrefOf = (path) => {
    const parts = path.split(/[\\/]/).map(encodeURIComponent).join("/");
    return parts.startsWith("..") ? parts : `./${parts}`;
  };

  const outputsList = (data) => {
    const outputs = Object.entries(data.outputs ?? {});
    return outputs.length
      ? el(
          "p",
          { class: "outputs" },
          "Files: ",
          ...outputs.flatMap(([name, path], i) => [
            i ? " · " : "",
            el("a", { href: hrefOf(path), title: path, text: name }),
          ]),
        )
      : null;
  };

  // ---- steps -------------------------------------------------------------------------------

  const seconds = (s) => (s >= 60 ? clock(s) : `${s.toFixed(s < 10 ? 1 : 0)} s`);

  // A button to compare what went into a step with what came out; or why there is none.
  function compareButton(step, page) {
    if (!step.before || !step.after) return null;
    const why = page.listening.whySilent(step.before) || page.listening.whySilent(step.after);
    if (why)
      return el(
        "span",
        { class: "note", title: why },
        "no sound",
        el("span", { class: "off-screen", text: `: ${why}` }),
      );
    return button(
      "A/B",
      () => {
        page.select(step.before, step.after);
        page.play();
      },
      {
        "aria-label": `A/B: before and after ${step.node}`,
        title: "A: before, B: after, at equal loudness",
      },
    );
  }

  function stepRow(step, page) {
    return el(
      "tr",
      { class: `is-${step.status}`, role: "row" },
      el("th", { scope: "row", role: "rowheader" }, el("code", { text: step.node })),
      el("td", { role: "cell", class: "words", text: step.words || "" }),
      el("td", {
        role: "cell",
        class: "seconds",
        text: step.status === "cached" ? "" : seconds(step.seconds ?? 0),
      }),
      el(
        "td",
        { role: "cell", class: "status" },
        el("span", { class: `tag is-${step.status}`, text: step.status }),
      ),
      el(
        "td",
        { role: "cell", class: "act" },
        compareButton(step, page),
      ),
    );
  }

  function stepsTable(data, page) {
    const n_cached = data.steps.filter((step) => step.status === "cached").length;
    const heads = ["Step", "What it did", "Time", "State", "Listen"].map((text) =>
      el("th", { scope: "col", role: "columnheader", text }),
    );
    return [
      el("p", {
        class: "help",
        text: `${count(data.steps.length, "step")}, ${n_cached} of them from the cache, in ${seconds(data.seconds ?? 0)}.`,
      }),
      el(
        "table",
        { class: "steps", role: "table" },
        el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads)),
        el("tbody", { role: "rowgroup" }, ...data.steps.map((step) => stepRow(step, page))),
      ),
    ];
  }

  stemfx.panels = {
    outcome: (data) =>
      el(
        "div",
        { class: "outcome" },
        el("div", { class: "card" }, verdict(data), meters(data), outputsList(data)),
        el("div", { class: "card" }, ...findingsList(data), checksList(data)),
      ),
    steps: stepsTable,
    hrefOf,
  };
})();
