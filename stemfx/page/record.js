// The recipe as it was written, and what the run left on record: models, licences, run.json.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, copyButton } = stemfx.dom;

  const KEY = /^(\s*(?:- )?)([\w.-]+)(:)(.*)$/;

  // A line of YAML with its comment and its key told apart, as text throughout.
  function inColour(line) {
    if (/^\s*#/.test(line)) return [el("span", { class: "comment", text: line })];
    const [code, comment] = line.split(/(?=\s#\s)/, 2);
    const match = KEY.exec(code);
    const parts = match
      ? [match[1], el("span", { class: "key", text: match[2] }), match[3], match[4]]
      : [code];
    return comment === undefined
      ? parts
      : [...parts, el("span", { class: "comment", text: line.slice(code.length) })];
  }

  function recipe(data) {
    return (data.recipe ?? []).map(({ file, text }) => {
      const lines = text.replace(/\n$/, "").split("\n");
      return el(
        "div",
        { class: "file" },
        el("div", { class: "file-head" }, el("h3", { text: file }), copyButton(text, "Copy", file)),
        el(
          "ol",
          { class: "code", "aria-label": `Lines of ${file}` },
          ...lines.map((line) => el("li", {}, el("code", {}, ...inColour(line)))),
        ),
      );
    });
  }

  // A folded part whose inside is made when it is first opened.
  function folded(title, make) {
    const details = el("details", { class: "folded" }, el("summary", {}, el("h3", { text: title })));
    details.addEventListener(
      "toggle",
      () => details.childElementCount === 1 && details.append(...[make()].flat()),
    );
    return details;
  }

  const table = (heads, rows) =>
    el(
      "table",
      { class: "plain" },
      el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col", text })))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((value) => el("td", {}, value ?? ""))))),
    );

  function modelsTable(data) {
    return data.models?.length
      ? table(
          ["Source", "Model", "Licence", "Class", "Weights"],
          data.models.map((one) => [one.source, one.model, one.licence, one.licence_class, one.weights]),
        )
      : el("p", { text: "No model was used: nothing was separated." });
  }

  function licences(data) {
    const { licences: told, record } = data;
    const lines =
      told &&
      [
        told.recipe && `Recipe: ${told.recipe}.`,
        told.together && `All together: ${told.together}.`,
        told.may_be_sold === true
          ? "What came of it may be sold, as far as its parts go."
          : told.may_be_sold === false
            ? "It may not be sold: a part's licence forbids it."
            : null,
        told.unclear?.length
          ? `Not clear: ${told.unclear.map((one) => (typeof one === "string" ? one : JSON.stringify(one))).join(", ")}.`
          : null,
      ].filter(Boolean);
    const kits = (record?.kits ?? []).map((kit) => ["kit", kit.name, kit.licence, kit.licence_class]);
    const plugins = (record?.plugins ?? []).map((plugin) => [
      "plugin",
      `${plugin.distribution} ${plugin.version}`,
      plugin.licence,
      plugin.licence_class,
    ]);
    const models = (record?.models ?? []).map((model) => [
      "model",
      model.name,
      model.licence,
      model.licence_class,
    ]);
    const rows = [...models, ...kits, ...plugins];
    return [
      lines?.length
        ? el("ul", {}, ...lines.map((text) => el("li", { text })))
        : el("p", { text: "The run left no record of licences." }),
      rows.length ? table(["What", "Name", "Licence", "Class"], rows) : null,
    ].filter(Boolean);
  }

  // What this page itself is made of; the licences ask that their text goes along.
  function libraries(known) {
    return [
      el("p", { text: "Waveforms and plots are drawn by these libraries, which are part of this page:" }),
      ...known.map((one) =>
        el(
          "details",
          {},
          el("summary", { text: `${one.package} ${one.version}, ${one.licence}` }),
          el(
            "p",
            {},
            el("a", {
              href: /^https:\/\//.test(one.home) ? one.home : null,
              rel: "noreferrer",
              text: one.home,
            }),
          ),
          el("pre", { class: "wrapped", text: one.text ?? "" }),
        ),
      ),
    ];
  }

  const knobs = (data) =>
    table(
      ["Knob", "Value", "Default", "Range", "What it does"],
      data.params.map((one) => [
        el("code", { text: one.name }),
        `${one.value}${one.unit ? ` ${one.unit}` : ""}`,
        String(one.default),
        one.min === null && one.max === null ? "" : `${one.min ?? ""} to ${one.max ?? ""}`,
        one.help,
      ]),
    );

  function runJson(data) {
    const text = JSON.stringify(data.record, null, 2);
    return [
      copyButton(text, "Copy", "run.json"),
      el("pre", { class: "wrapped", text, role: "region", tabindex: "0", "aria-label": "run.json" }),
    ];
  }

  stemfx.record = {
    recipe,
    parts: (data, known) =>
      [
        data.params?.length ? folded("Knobs", () => knobs(data)) : null,
        folded("Models", () => modelsTable(data)),
        folded("Licences", () => licences(data)),
        data.record ? folded("run.json", () => runJson(data)) : null,
        known.length ? folded("This page", () => libraries(known)) : null,
      ].filter(Boolean),
  };
})();
