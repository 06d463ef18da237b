/* Adds an account without leaving the page: what is typed stays, the password too, and each stage shows as it ends. */
"use strict";
{
  const POLL_MILLISECONDS = 400;
  /* For a worker that makes a check of what is saved; then the account's page goes on waiting. */
  const LONGEST_WATCH_MILLISECONDS = 60000;

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) { made.className = className; }
    if (text) { made.textContent = text; }
    return made;
  };

  const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

  class Adding {
    constructor(panel, form) {
      this.panel = panel;
      this.form = form;
      this.words = panel.dataset;
      this.after = Number(panel.dataset.after) || 0;
      this.seen = this.after;
      this.said = panel.querySelector(".mc-said");
      this.rest = panel.querySelector(".mc-rest");
      this.filled = new Map();
      form.addEventListener("submit", (event) => this.submitted(event));
      this.address = document.getElementById("id_from_email");
      this.preset = document.getElementById("id_preset");
      if (this.address && this.preset && this.preset.dataset.presets) {
        this.presets = JSON.parse(this.preset.dataset.presets);
        this.address.addEventListener("change", () => this.recognise());
        this.preset.addEventListener("change", () => this.showService());
        this.recognise();
      }
    }

    /* A known service's own address tells everything; of others only our server can find out, when the form is sent. */
    recognise() {
      const address = this.address.value.trim();
      if (address === this.recognisedFor) { return; }
      this.recognisedFor = address;
      this.forget();
      const domain = address.toLowerCase().split("@")[1] || "";
      const found = Object.keys(this.presets).find((name) => (this.presets[name].domains || []).includes(domain));
      if (found && !this.form.elements.host.value) {
        const before = new Map(["preset", "host", "port", "security", "imap_host", "imap_port", "imap_ssl", "username"]
          .filter((name) => this.form.elements[name])
          .map((name) => [name, this.form.elements[name].value]));
        this.preset.value = found;
        this.preset.dispatchEvent(new Event("change", { bubbles: true }));
        const user = this.form.elements.username;
        if (user && !user.value) { user.value = this.presets[found].username || address; }
        before.forEach((value, name) => {
          this.filled.set(name, { before: value, ours: this.form.elements[name].value });
        });
      }
      this.showService();
    }

    /* What was filled in for another address goes again, unless somebody changed it since. */
    forget() {
      this.filled.forEach(({ before, ours }, name) => {
        const field = this.form.elements[name];
        if (field.value === ours && before !== ours) {
          field.value = before;
          field.dispatchEvent(new Event(name === "preset" ? "change" : "input", { bubbles: true }));
        }
      });
      this.filled.clear();
    }

    showService() {
      const chosen = this.presets[this.preset.value];
      const service = document.getElementById("mc-service");
      const buttons = [...document.querySelectorAll(".mc-sign-in")];
      const fitting = buttons.filter((button) => chosen && button.dataset.provider === chosen.signs_in_by);
      buttons.forEach((button) => { button.hidden = !fitting.includes(button); });
      const lacksApp = chosen && chosen.refuses_passwords && !fitting.length;
      service.hidden = !chosen || !chosen.label || this.preset.value === "other";
      service.textContent = service.hidden ? "" : [
        [chosen.label, chosen.host].filter(Boolean).join(": "), chosen.note, lacksApp ? service.dataset.noApp : "",
      ].filter(Boolean).join(" – ");
    }

    submitted(event) {
      if (this.isGivenUp) { return; }
      event.preventDefault();
      if (!this.isBusy) { this.add(event.submitter); }
    }

    async add(submitter) {
      this.isBusy = true;
      const body = new FormData(this.form);
      if (submitter && submitter.name) { body.set(submitter.name, submitter.value); }
      this.after = this.seen;
      this.clear();
      this.say(this.words.trying, "mc-open");
      this.panel.scrollIntoView({ block: "nearest" });
      const watching = this.watch(`after=${this.after}`);
      const answer = await this.send(body);
      this.isBusy = false;
      await watching;
      if (answer === null) {
        this.giveUp(submitter);
      } else if (answer.url) {
        await this.saved(answer);
      } else {
        this.refused(answer, body.get("from_email"));
      }
    }

    /* What the form answers; null: something else came, such as the page on which one logs in. */
    async send(body) {
      try {
        const response = await fetch(this.form.action || location.href, {
          method: "POST", body, headers: { Accept: "application/json" }, credentials: "same-origin",
        });
        const isJson = (response.headers.get("Content-Type") || "").startsWith("application/json");
        return response.ok && isJson ? await response.json() : null;
      } catch {
        return { errors: { __all__: [this.words.away] }, labels: {}, check: null };
      }
    }

    /* Let the browser send it as it would without us: whatever comes is shown. */
    giveUp(submitter) {
      this.isGivenUp = true;
      if (submitter && submitter.name) {
        const named = element("input");
        Object.assign(named, { type: "hidden", name: submitter.name, value: submitter.value });
        this.form.append(named);
      }
      HTMLFormElement.prototype.submit.call(this.form);
    }

    async saved(answer) {
      if (answer.check) {
        this.say(this.words.worker, "mc-open");
        this.isBusy = true;
        await this.watch(`check=${answer.check}`, true);
      } else {
        this.say(this.words.saved, "mc-good");
      }
      location.assign(answer.url);
    }

    refused(answer, address) {
      delete this.form.dataset.sent;
      document.body.classList.remove("mc-busy");
      if (answer.check) { this.seen = Math.max(this.seen, answer.check.number); }
      const check = answer.check;
      if (answer.proposal) { this.rest.replaceChildren(); }
      const where = check && check.failed_at ? ` – ${this.words.failedAt} ${check.failed_at}` : "";
      this.say(this.words.refused + where, "mc-bad");
      this.rest.replaceChildren();
      const list = element("ul", "mc-problems");
      Object.entries(answer.errors).forEach(([name, errors]) => {
        const label = answer.labels[name];
        const known = check ? `${check.message} ${check.hint}`.trim() : "";
        errors.filter((error) => error !== known).forEach((error) => list.append(element("li", "", label ? `${label}: ${error}` : error)));
        this.mark(name, errors);
      });
      if (list.children.length) { this.rest.append(list); }
      if (check) { this.rest.append(this.drawn(check)); }
      if (this.address && this.address.value === address) {
        Object.entries(answer.filled || {}).forEach(([name, value]) => this.fill(name, value));
      }
      if (this.presets) { this.showService(); }
      const guilty = this.form.querySelector("[aria-invalid=true]");
      if (guilty) { guilty.focus({ preventScroll: true }); }
      this.panel.scrollIntoView({ block: "nearest" });
    }

    fill(name, value) {
      const field = this.form.elements[name];
      if (field && field.value !== value) {
        /* No "change": what a preset fills in stands there already. */
        const noted = this.filled.get(name);
        this.filled.set(name, { before: noted ? noted.before : field.value, ours: value });
        field.value = value;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        this.unfold(field);
      }
    }

    unfold(field) {
      for (let part = field.closest("details"); part; part = part.parentElement.closest("details")) {
        part.open = true;
      }
    }

    mark(name, errors) {
      const field = this.form.elements[name];
      if (!(field instanceof HTMLElement) || field.type === "hidden") { return; }
      const note = element("ul", "errorlist mc-problem");
      note.id = `mc-problem-${name}`;
      errors.forEach((error) => note.append(element("li", "", error)));
      field.setAttribute("aria-invalid", "true");
      const described = field.getAttribute("aria-describedby") || "";
      field.dataset.described = described;
      field.setAttribute("aria-describedby", `${described} ${note.id}`.trim());
      const row = field.closest(".form-row");
      if (row) {
        row.classList.add("errors");
        row.prepend(note);
      } else {
        field.before(note);
      }
      this.unfold(field);
    }

    clear() {
      this.rest.replaceChildren();
      this.form.querySelectorAll(".errorlist").forEach((note) => note.remove());
      this.form.querySelectorAll(".form-row.errors").forEach((row) => row.classList.remove("errors"));
      this.form.querySelectorAll("[aria-invalid]").forEach((field) => {
        field.removeAttribute("aria-invalid");
        const { described } = field.dataset;
        if (described) {
          field.setAttribute("aria-describedby", described);
        } else {
          field.removeAttribute("aria-describedby");
        }
      });
    }

    say(words, tone) {
      this.panel.hidden = false;
      this.panel.classList.remove("mc-open", "mc-good", "mc-bad");
      this.panel.classList.add(tone);
      if (this.said.textContent !== words) { this.said.textContent = words; }
    }

    /* Draw what is under way until it is over; with one server process that waits itself there is nothing to see before. */
    async watch(which, untilOver = false) {
      const begun = Date.now();
      while (this.isBusy) {
        if (untilOver && Date.now() - begun > LONGEST_WATCH_MILLISECONDS) { return; }
        await pause(POLL_MILLISECONDS);
        let checks = [];
        try {
          const response = await fetch(`${this.words.watch}?${which}`, { headers: { Accept: "application/json" } });
          checks = response.ok ? (await response.json()).checks : [];
        } catch {
          checks = [];
        }
        if (!this.isBusy) { return; }
        if (checks.length) {
          this.seen = Math.max(this.seen, ...checks.map((check) => check.number));
          this.rest.replaceChildren(...checks.map((check) => this.drawn(check)));
        }
        if (untilOver && checks.length && checks.every((check) => !check.is_open)) { return; }
      }
    }

    drawn(check) {
      const { words } = this;
      const part = element("div", "mc-check");
      part.append(element("h3", "", `${check.title} ${check.host}${check.port ? `:${check.port}` : ""}`));
      if (check.message) {
        const said = element("p");
        said.append(element("strong", "", check.message), ` ${check.hint}`);
        part.append(said);
      }
      if (check.field_label && !check.is_open && !check.ok) {
        part.append(element("p", "mc-note", `${words.lookAt} ${check.field_label}`));
      }
      if (check.server_text) {
        const said = element("p", "mc-server", `${words.server} `);
        said.append(element("q", "", check.server_text));
        part.append(said);
      }
      const table = element("table", "mc-stages");
      const body = element("tbody");
      let isNext = check.is_open;
      check.stages.forEach((stage) => {
        const isUnderWay = isNext && stage.outcome === "skipped" && !stage.is_passed_over;
        const row = element("tr", `mc-stage-${isUnderWay ? "open" : stage.outcome}`);
        const name = element("th", "", stage.name);
        name.scope = "row";
        let outcome = `– ${stage.is_passed_over ? words.unused : words.unreached}`;
        if (check.is_open && !stage.is_passed_over) { outcome = ""; }
        if (stage.outcome === "ok") { outcome = `✓ ${words.ok}`; }
        if (stage.outcome === "failed") { outcome = `✗ ${words.failed}`; }
        if (isUnderWay) { outcome = `… ${words.underWay}`; isNext = false; }
        const time = stage.outcome === "skipped" ? "" : `${stage.milliseconds} ms`;
        row.append(name, element("td", "", outcome), element("td", "", time), element("td", "", stage.detail));
        body.append(row);
      });
      table.append(body);
      part.append(table);
      return part;
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const panel = document.getElementById("mc-adding");
    const form = panel && (document.getElementById(panel.dataset.form) || panel.closest("form"));
    if (form && panel.dataset.watch) { new Adding(panel, form); }
  });
}
