// Keeps the status page current: fetches the fragment that the server draws and puts only what changed
// into the page, so that what is open, typed, focused and scrolled to stays as it is.
"use strict";

(() => {
  const EVERY_MS = 2500;
  const GIVE_UP_MS = 10000;
  const pulse = document.getElementById("pulse");
  const pulseText = document.getElementById("pulse-text");
  const lost = document.getElementById("lost");
  const icon = document.getElementById("icon");
  const filter = document.getElementById("filter");
  const name = document.title;
  const drawn = new Map();
  let etag = "";
  let skewMs = 0;
  let lastGood = new Date();
  let timer = 0;
  let pressed = "";
  let running = false;

  // -- times --------------------------------------------------------------------------------------

  function span(seconds) {
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 86400) {
      const minutes = Math.floor(seconds / 60) % 60;
      return seconds < 36000 && minutes ? `${Math.floor(seconds / 3600)} h ${minutes} min` : `${Math.floor(seconds / 3600)} h`;
    }
    return `${Math.floor(seconds / 86400)} d`;
  }

  const relations = {
    ago: (seconds) => (seconds < 1 ? "now" : `${span(seconds)} ago`),
    for: (seconds) => `for ${span(Math.max(0, seconds))}`,
    in: (seconds) => (seconds > -1 ? "now" : `in ${span(-seconds)}`),
  };

  function tellTimes(root = document) {
    const now = Date.now() + skewMs;
    for (const element of root.querySelectorAll("time[data-relation]")) {
      const at = element.at ?? (element.at = Date.parse(element.dateTime));
      const text = relations[element.dataset.relation]((now - at) / 1000);
      if (element.textContent !== text) element.textContent = text;
    }
  }

  // -- putting the new into the old ---------------------------------------------------------------

  function takeOver(kept, fresh) {
    for (const { name: attribute, value } of fresh.attributes) {
      if (attribute !== "open" && attribute !== "hidden" && attribute !== "aria-pressed") kept.setAttribute(attribute, value);
    }
    kept.replaceChildren(...fresh.childNodes);
  }

  function takeOverSource(kept, fresh) {
    const inside = kept.querySelector(".inside");
    takeOver(kept, fresh);
    const later = kept.querySelector("[data-later]");
    if (!later || !kept.open) return;
    // What was fetched stays until the new is there.
    later.replaceChildren(...inside.childNodes);
    fetchInside(later);
  }

  async function fetchInside(later) {
    try {
      const response = await fetch(later.dataset.later, { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_MS) });
      if (!response.ok) return;
      const inside = new DOMParser().parseFromString(await response.text(), "text/html").querySelector(".inside");
      later.replaceChildren(...inside.childNodes);
      tellTimes(later);
    } catch {
      // The link inside still leads there.
    }
  }

  function mergeList(kept, fresh, merge) {
    const before = new Map(Array.from(kept.children, (child) => [child.id, child]));
    let place = kept.firstElementChild;
    for (const child of Array.from(fresh.children)) {
      const known = before.get(child.id);
      before.delete(child.id);
      if (known && known.dataset.v !== child.dataset.v) merge(known, child);
      const item = known ?? child;
      if (item === place) place = place.nextElementSibling;
      else kept.insertBefore(item, place);
    }
    for (const gone of before.values()) gone.remove();
  }

  function mergeComponent(kept, fresh) {
    kept.dataset.v = fresh.dataset.v;
    kept.className = fresh.className;
    for (const part of ["header", ".labels"]) kept.querySelector(part).replaceWith(fresh.querySelector(part));
    mergeList(kept.querySelector(".rows"), fresh.querySelector(".rows"), takeOverSource);
  }

  function mergeParts(live, fresh) {
    for (const part of live.querySelectorAll("[data-part]")) {
      if (!fresh.querySelector(`#${part.id}`)) part.remove();
    }
    // Which part each new one follows, before any of them leaves the fresh page.
    const parts = Array.from(fresh.querySelectorAll("[data-part]"), (part) => [part, part.previousElementSibling?.id]);
    for (const [part, before] of parts) {
      const html = part.outerHTML;
      const kept = document.getElementById(part.id);
      if (kept && drawn.get(part.id) === html) continue;
      drawn.set(part.id, html);
      if (kept) takeOver(kept, part);
      else (document.getElementById(before) ?? document.getElementById("tools")).after(part);
    }
  }

  function focusOf() {
    const element = document.activeElement;
    const row = element?.closest?.("details.source");
    if (row && element.tagName === "SUMMARY") return () => row.querySelector("summary")?.focus({ preventScroll: true });
    const button = element?.closest?.("button[data-filter]");
    if (button) return () => document.querySelector(`[data-filter="${button.dataset.filter}"]`)?.focus({ preventScroll: true });
    return () => {};
  }

  function show(html) {
    const live = document.getElementById("live");
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("live");
    if (fresh.dataset.assets !== pulse.dataset.assets) {
      location.reload();
      return;
    }
    const focus = focusOf();
    mergeParts(live, fresh);
    mergeList(document.getElementById("sources"), fresh.querySelector("#sources"), mergeComponent);
    live.dataset.tone = fresh.dataset.tone;
    live.dataset.text = fresh.dataset.text;
    title();
    narrow();
    tellTimes();
    focus();
  }

  function title() {
    const live = document.getElementById("live");
    document.title = live.dataset.tone === "healthy" ? name : `${live.dataset.text} · ${name}`;
    const tone = { off: "critical", new: "unknown" }[live.dataset.tone] ?? live.dataset.tone;
    if (icon.getAttribute("href") !== icon.dataset[tone]) icon.href = icon.dataset[tone];
  }

  // -- filter -------------------------------------------------------------------------------------

  function narrow() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const narrowing = words.length > 0 || pressed !== "";
    let matches = 0;
    for (const section of document.querySelectorAll(".component")) {
      let inside = 0;
      for (const row of section.querySelectorAll(".source")) {
        const fits = (!pressed || row.dataset.status === pressed) && words.every((word) => row.dataset.words.includes(word));
        if (row.hidden === fits) row.hidden = !fits;
        inside += fits;
      }
      section.hidden = inside === 0;
      matches += inside;
    }
    const wrong = document.getElementById("wrong");
    if (wrong) wrong.hidden = narrowing;
    const none = document.getElementById("no-match");
    if (none) none.hidden = !narrowing || matches > 0;
    for (const button of document.querySelectorAll("[data-filter]")) {
      button.setAttribute("aria-pressed", String(button.dataset.filter === pressed));
    }
  }

  // -- asking the server --------------------------------------------------------------------------

  const clock = (date) => date.toLocaleTimeString([], { hour12: false });

  function good(response) {
    const date = Date.parse(response.headers.get("date"));
    // The header knows whole seconds only: small differences are no skew.
    if (!Number.isNaN(date) && Math.abs(date - Date.now()) > 2000) skewMs = date - Date.now();
    else skewMs = 0;
    lastGood = new Date();
    pulse.dataset.state = "live";
    pulseText.textContent = `live, updated ${clock(lastGood)}`;
    lost.hidden = true;
    document.body.classList.remove("is-stale");
  }

  function bad(reason) {
    pulse.dataset.state = "lost";
    pulseText.textContent = "not live";
    const text = `${reason}, last update ${clock(lastGood)}`;
    if (lost.textContent !== text) lost.textContent = text;
    lost.hidden = false;
    document.body.classList.add("is-stale");
  }

  async function ask() {
    const headers = etag ? { "If-None-Match": etag } : {};
    const response = await fetch("status/fragment", { headers, cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_MS) });
    if (response.status === 503) {
      bad("The status cannot be read");
      return;
    }
    if (response.status !== 304 && !response.ok) throw new Error(String(response.status));
    if (response.status !== 304) {
      const html = await response.text();
      etag = response.headers.get("etag") ?? "";
      show(html);
    }
    good(response);
  }

  async function round() {
    if (running) return;
    running = true;
    clearTimeout(timer);
    const began = performance.now();
    try {
      await ask();
    } catch {
      bad("Connection lost");
    } finally {
      running = false;
    }
    // A page that is slow to draw asks less often.
    if (!document.hidden) timer = setTimeout(round, Math.max(EVERY_MS, 4 * (performance.now() - began)));
  }

  // -- start --------------------------------------------------------------------------------------

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) round();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-filter]");
    if (button) {
      pressed = pressed === button.dataset.filter ? "" : button.dataset.filter;
      narrow();
    }
    const link = event.target.closest('a[href^="#source-"]');
    if (link) openSource(link.hash);
  });
  filter.addEventListener("input", narrow);
  // `toggle` does not bubble.
  document.addEventListener("toggle", (event) => {
    const later = event.target.open && event.target.querySelector?.("[data-later]");
    if (later) fetchInside(later);
  }, true);

  function openSource(hash) {
    const row = hash.startsWith("#source-") && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (!row) return;
    if (row.hidden) {
      filter.value = "";
      pressed = "";
      narrow();
    }
    row.open = true;
  }

  document.getElementById("zone").textContent = "Exact times appear on hover, in UTC.";
  title();
  tellTimes();
  narrow();
  openSource(location.hash);
  setInterval(() => document.hidden || tellTimes(), 1000);
  round();
})();
