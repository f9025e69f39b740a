/* Charts from data-chart='{"kind", "labels", "series", "format"}', in the colours of the theme, redrawn when it changes.
   Chart.js is fetched only by pages that have a chart. */
const KIT = new URL("../vendor/chartjs/chart.umd.min.js", import.meta.url).href;
const PALETTE = { light: ["#1976d2", "#2e7d32", "#b26a00", "#8e44ad", "#c62828", "#00838f"], dark: ["#90caf9", "#81c784", "#ffca28", "#ce93d8", "#ef9a9a", "#80deea"] };
const SYMBOL_LOCALES = { INR: "en-IN", USD: "en-US", IDR: "id-ID" };
const drawn = new Map();

const load = () =>
  new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = KIT;
    script.addEventListener("load", resolve, { once: true });
    script.addEventListener("error", reject, { once: true });
    document.head.append(script);
  });

const formatter = (format, compact) => {
  const notation = compact ? { notation: "compact", maximumFractionDigits: 1 } : {};
  if (format === "number") return new Intl.NumberFormat(document.documentElement.lang, notation);
  return new Intl.NumberFormat(SYMBOL_LOCALES[format] || "en-US", { style: "currency", currency: format, ...notation });
};

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/* light-dark() is only resolved on a real property, so colours are read from a probe. */
const resolved = (name) => {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value || colour(name);
};

const options = (spec) => {
  const [axis, full] = [formatter(spec.format, true), formatter(spec.format, false)];
  const [text, line] = [resolved("--color-text-secondary"), resolved("--color-border")];
  const grid = { color: line, drawTicks: false };
  const rtl = document.documentElement.dir === "rtl";
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  return {
    responsive: true,
    maintainAspectRatio: false,
    animation: still ? false : { duration: 250 },
    interaction: { mode: "index", intersect: false },
    plugins: {
      legend: { rtl, display: spec.series.length > 1, position: "bottom", labels: { color: text, boxWidth: 10, boxHeight: 10, usePointStyle: true } },
      tooltip: { rtl, callbacks: { label: (item) => ` ${item.dataset.label}: ${full.format(item.parsed.y)}` } },
    },
    scales: {
      x: { reverse: rtl, stacked: spec.kind === "bar", grid: { display: false }, border: { color: line }, ticks: { color: text, maxRotation: 0, autoSkipPadding: 16 } },
      y: { position: rtl ? "right" : "left", stacked: spec.kind === "bar", beginAtZero: true, grid, border: { display: false }, ticks: { color: text, padding: 8, maxTicksLimit: 6, callback: (value) => axis.format(value) } },
    },
  };
};

const draw = (canvas) => {
  const spec = JSON.parse(canvas.dataset.chart);
  const palette = PALETTE[document.documentElement.dataset.bsTheme] || PALETTE.light;
  const datasets = spec.series.map((one, index) => {
    const tint = palette[index % palette.length];
    const base = { label: one.name, data: one.values.map(Number), borderColor: tint, backgroundColor: tint };
    if (spec.kind === "bar") return { ...base, borderRadius: 3, maxBarThickness: 28 };
    return { ...base, borderWidth: 2, tension: 0.3, pointRadius: 0, pointHitRadius: 12, fill: spec.kind === "area", backgroundColor: `${tint}26` };
  });
  drawn.get(canvas)?.destroy();
  const kind = spec.kind === "bar" ? "bar" : "line";
  drawn.set(canvas, new window.Chart(canvas, { type: kind, data: { labels: spec.labels, datasets }, options: options(spec) }));
};

const canvases = document.querySelectorAll("canvas[data-chart]");
if (canvases.length) {
  await load();
  window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  canvases.forEach(draw);
  document.documentElement.addEventListener("themechange", () => canvases.forEach(draw));
}
