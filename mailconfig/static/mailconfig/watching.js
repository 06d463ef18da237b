/* Shows how far a test mail has come while the browser waits for the answer, and opens the page anew once a worker's check is over. */
"use strict";
{
  const POLL_MILLISECONDS = 500;

  const ask = async (address) => {
    try {
      const response = await fetch(address, { headers: { Accept: "application/json" }, credentials: "same-origin" });
      return response.ok ? (await response.json()).checks : [];
    } catch {
      return [];
    }
  };

  const show = (steps, check) => {
    const isOk = (stage) => stage.outcome === "ok" || stage.is_passed_over;
    const dot = check.stages.find((stage) => stage.stage === "dot");
    const isHandedOver = check.ok || (dot !== undefined && check.stages.every((stage) => stage === dot || isOk(stage)));
    const reached = { queued: true, handed_over: isHandedOver, accepted: check.ok };
    steps.querySelectorAll("[data-step]").forEach((item) => {
      item.classList.toggle("mc-ok", Boolean(reached[item.dataset.step]));
    });
    const under = check.stages.find((stage) => !isOk(stage));
    steps.querySelector(".mc-now").textContent = check.server_text || check.message || (under ? under.name : "");
  };

  document.addEventListener("DOMContentLoaded", () => {
    const steps = document.getElementById("mc-steps");
    if (steps) {
      steps.closest("form").addEventListener("submit", () => {
        steps.hidden = false;
        setInterval(async () => {
          const checks = await ask(`${steps.dataset.watch}?after=${steps.dataset.after}`);
          if (checks.length) { show(steps, checks[checks.length - 1]); }
        }, POLL_MILLISECONDS);
      });
    }
    const open = document.querySelector("[data-open-check]");
    if (open) {
      const timer = setInterval(async () => {
        const [check] = await ask(`${open.dataset.watch}?check=${open.dataset.openCheck}`);
        if (check && open.querySelector("[data-step]")) { show(open, check); }
        if (check && !check.is_open) {
          clearInterval(timer);
          location.reload();
        }
      }, POLL_MILLISECONDS);
    }
  });
}
