"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const groups = [...document.querySelectorAll("#groups > .group")];
  const tools = document.querySelector(".tools");
  const search = find("search");
  const failures = find("failures");
  const text = (element) => element.textContent.toLowerCase();

  // Each verdict has two rows: its figures, and why it is so
  let known = null;
  const look = () => groups.map((group) => ({
    group,
    head: [group.querySelector("summary"), ...group.querySelectorAll(".facts dd")]
      .map(text).join(" "),
    rows: [...group.querySelectorAll("tr.verdict")].map((row) => {
      const more = row.nextElementSibling;
      return {
        row,
        more,
        red: row.classList.contains("is-red"),
        words: text(row) + " " + text(more),
      };
    }),
  }));

  const filter = () => {
    known = known || look();
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (where) => words.every((word) => where.includes(word));
    let shown = 0;
    let total = 0;
    for (const { group, head, rows } of known) {
      let here = 0;
      for (const { row, more, red, words: own } of rows) {
        const fits = (red || !failures.checked) && has(head + " " + own);
        row.hidden = !fits;
        more.hidden = !fits;
        here += fits;
      }
      group.hidden = !here;
      shown += here;
      total += rows.length;
    }
    const count = (number) => number.toLocaleString("en");
    find("shown").textContent = shown === total
      ? `${count(total)} ${total === 1 ? "verdict" : "verdicts"}`
      : `${count(shown)} of ${count(total)} verdicts`;
    find("nothing").hidden = shown > 0;
  };

  const openAll = (open) => {
    for (const group of groups) {
      if (!group.hidden) {
        group.open = open;
      }
    }
  };

  if (groups.length) {
    tools.hidden = false;
    search.addEventListener("input", filter);
    failures.addEventListener("change", filter);
    find("open-all").addEventListener("click", () => openAll(true));
    find("close-all").addEventListener("click", () => openAll(false));
    filterAgain();
  }

  // A browser that goes back to the page fills the fields again
  function filterAgain() {
    if (search.value || failures.checked) {
      filter();
    }
  }
  window.addEventListener("pageshow", () => groups.length && filterAgain());

  const copied = async (button) => {
    const words = button.previousElementSibling;
    let done = true;
    try {
      await navigator.clipboard.writeText(words.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(words);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done = document.execCommand("copy");
    }
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    find("told").textContent = done ? `Copied: ${words.textContent}` : "Selected: press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", () => copied(button));
  }

  // Paper shows what is closed, too
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((each) => { each.open = true; });
  });
  window.addEventListener("afterprint", () => {
    closed.forEach((each) => { each.open = false; });
  });

  const openTarget = () => {
    const target = location.hash && find(decodeURIComponent(location.hash.slice(1)));
    for (let each = target; each; each = each.parentElement) {
      if (each.tagName === "DETAILS" && !each.open) {
        each.open = true;
        target.scrollIntoView();
      }
    }
  };
  window.addEventListener("hashchange", openTarget);
  openTarget();
})();
