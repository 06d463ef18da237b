// Fetches this page every second and puts the new state of #live in the old one's place; what is open stays open.
"use strict";

let last = "";

async function refresh() {
  const answer = await fetch(location.href, { cache: "no-store" });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  const shown = document.getElementById("live");
  if (!fresh || !shown || fresh.innerHTML === last) return;
  last = fresh.innerHTML;
  for (const open of shown.querySelectorAll("details[open]")) {
    fresh.querySelector(`#${open.id}`)?.setAttribute("open", "");
  }
  const focused = shown.contains(document.activeElement) ? document.activeElement.closest("details")?.id : null;
  shown.replaceWith(fresh);
  if (focused) fresh.querySelector(`#${focused} summary`)?.focus();
  document.title = page.title;
}

async function watch() {
  try {
    await refresh();
  } catch {
    // The demo was ended; it may come back.
  }
  setTimeout(watch, 1000);
}

watch();
