"use strict";
(() => {
  const root = document.documentElement;
  const saved = (() => { try { return localStorage.getItem("cbm-theme"); } catch { return null; } })();
  if (saved) root.dataset.theme = saved;
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const bytes = (v) => { let i = 0; while (v >= 1000 && i < 4) { v /= 1000; i++; } return `${+v.toFixed(1)} ${["B", "kB", "MB", "GB", "TB"][i]}`; };
  // "$name" in an option is a colour of the page's theme, "$bytes" a formatter.
  const filled = (value, css) => {
    if (Array.isArray(value)) return value.map((one) => filled(one, css));
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, filled(v, css)]));
    if (value === "$bytes") return bytes;
    return typeof value === "string" && value.startsWith("$") ? css.getPropertyValue(`--${value.slice(1)}`).trim() : value;
  };
  let drawn = [];
  const draw = () => {
    drawn.forEach((chart) => chart.dispose());
    drawn = [];
    const css = getComputedStyle(root);
    // "inherit" would be measured as another font, and legends would overlap.
    const font = getComputedStyle(document.body).fontFamily;
    const ink = css.getPropertyValue("--ink").trim(), soft = css.getPropertyValue("--soft").trim(), line = css.getPropertyValue("--line").trim();
    for (const holder of document.querySelectorAll("script[data-charts]")) {
      for (const [id, option] of Object.entries(JSON.parse(holder.textContent))) {
        const place = document.getElementById(id);
        if (!place) continue;
        if (option.$height) place.style.height = `${option.$height}px`;
        const chart = echarts.init(place, null, { renderer: "svg" });
        const axis = (one) => one && { ...one, axisLabel: { color: soft, ...one.axisLabel }, splitLine: { lineStyle: { color: line } }, axisLine: { lineStyle: { color: line } } };
        const full = filled(option, css);
        const format = full.$tooltip === "bytes" ? { valueFormatter: bytes } : {};
        const box = { backgroundColor: css.getPropertyValue("--card").trim(), borderColor: line, textStyle: { color: ink }, confine: true };
        chart.setOption({
          animation: false, textStyle: { color: ink, fontFamily: font }, ...full, aria: { enabled: true },
          legend: full.legend && { ...full.legend, textStyle: { color: soft } }, tooltip: { ...full.tooltip, ...format, ...box },
          xAxis: axis(full.xAxis), yAxis: axis(full.yAxis),
        });
        drawn.push(chart);
      }
    }
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("cbm-theme", root.dataset.theme); } catch { /* private mode: the choice lasts as long as the page */ }
    draw();
  });
  document.addEventListener("change", (event) => { if (event.target.closest("form.filters select")) event.target.form.submit(); });
  const refresh = async () => {
    const box = document.querySelector("[data-refresh]");
    if (!box || !box.checked || document.hidden) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      if (fresh) { document.querySelector("main").replaceWith(document.importNode(fresh, true)); draw(); }
    } catch { /* the server is restarting: the next turn asks again */ }
  };
  setInterval(refresh, 30000);
  addEventListener("resize", () => drawn.forEach((chart) => chart.resize()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("DOMContentLoaded", draw);
})();
