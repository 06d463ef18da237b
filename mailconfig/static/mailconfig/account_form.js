/* Fills in what is known of a mail service, and keeps port and encryption together. */
"use strict";
{
  const USUAL_PORTS = { tls: "465", starttls: "587", opportunistic: "587" };

  const field = (name) => document.getElementById(`id_${name}`);

  const set = (input, value) => {
    if (input && input.value !== value) {
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };

  const choose = (select, value) => {
    if (select && select.value !== value) {
      select.value = value;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }
  };

  const noteBelow = (select) => {
    const note = document.createElement("div");
    note.className = "help mc-preset-note";
    note.setAttribute("aria-live", "polite");
    /* unfold has a column of its own for the control; other themes have no rows of that class. */
    (select.closest(".grow") || select.closest(".form-row") || select.parentElement).append(note);
    return note;
  };

  const connectPreset = (select) => {
    const presets = JSON.parse(select.dataset.presets);
    const note = noteBelow(select);
    const showNote = () => { note.textContent = (presets[select.value] || {}).note || ""; };
    showNote();
    select.addEventListener("change", () => {
      const preset = presets[select.value];
      showNote();
      if (!preset || (select.value === "other")) { return; }
      const method = field("send_method");
      if (preset.send_method) {
        choose(method, preset.send_method);
      } else if (method && Object.values(presets).some((each) => each.send_method === method.value)) {
        choose(method, "smtp");
      }
      set(field("host"), preset.host);
      set(field("port"), String(preset.port));
      set(field("security"), preset.security);
      if (preset.imap_host && field("imap_host")) {
        set(field("imap_host"), preset.imap_host);
        set(field("imap_port"), "");
        set(field("imap_ssl"), "True");
      }
      if (!preset.host && !preset.send_method && field("host")) { field("host").focus(); }
    });
  };

  /* What a mail service calls the fields of this page. */
  const connectMethod = (select) => {
    const services = JSON.parse(select.dataset.services);
    const note = noteBelow(select);
    const showNote = () => { note.textContent = services[select.value] || ""; };
    showNote();
    select.addEventListener("change", showNote);
  };

  const connectSecurity = (select) => {
    select.addEventListener("change", () => {
      const port = field("port");
      const usual = Object.values(USUAL_PORTS).concat("25", "");
      if (port && USUAL_PORTS[select.value] && usual.includes(port.value)) {
        set(port, USUAL_PORTS[select.value]);
      }
    });
  };

  /* A field may lie in a tab that is not shown, which comes by degrees (jazzmin), or be folded away. */
  const leadTo = (link) => {
    link.addEventListener("click", (event) => {
      const input = document.getElementById(link.hash.slice(1));
      if (!input) { return; }
      event.preventDefault();
      const fold = input.closest("details");
      if (fold) { fold.open = true; }
      const pane = input.closest(".tab-pane:not(.active)");
      const tab = pane && document.querySelector(`a[href="#${CSS.escape(pane.id)}"]`);
      if (tab) {
        tab.addEventListener("shown.bs.tab", () => input.focus(), { once: true });
        tab.click();
      } else {
        input.focus();
      }
    });
  };

  /* Saving connects first and may take some seconds: say so, and do not let it be sent twice. */
  const connectSubmit = (form) => {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) {
        event.preventDefault();
        return;
      }
      form.dataset.sent = "yes";
      document.body.classList.add("mc-busy");
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    const preset = field("preset");
    const security = field("security");
    if (preset && preset.dataset.presets) { connectPreset(preset); }
    const method = field("send_method");
    if (method && method.dataset.services) { connectMethod(method); }
    if (security) { connectSecurity(security); }
    const guilty = document.querySelector(".errors input:not([type=hidden]), .errors select");
    if (guilty) { guilty.focus({ preventScroll: true }); }
    document.querySelectorAll(".mc-window a").forEach(leadTo);
    document.querySelectorAll("#content-main form[method=post], #mc-tools").forEach(connectSubmit);
  });
  window.addEventListener("pageshow", () => {
    document.body.classList.remove("mc-busy");
    document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; });
  });
}
