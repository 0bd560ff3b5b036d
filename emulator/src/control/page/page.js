// Keeps what is shown fresh. Without this script the page works the same, by forms and reloading.
const live = document.getElementById("live");
async function refresh() {
  const busy = document.activeElement && ["INPUT", "SELECT", "TEXTAREA"].includes(document.activeElement.tagName)
    && document.activeElement !== live;
  if (!live.checked || busy || document.hidden) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.innerHTML === part.innerHTML) continue;
    for (const open of part.querySelectorAll("details[id]")) {
      const same = fresh.getElementById(open.id);
      if (same) same.open = open.open;
    }
    part.innerHTML = other.innerHTML;
  }
}
setInterval(refresh, 2000);
const preset = document.getElementById("preset");
preset.addEventListener("change", () => {
  document.getElementById("path").placeholder = preset.selectedOptions[0].dataset.path;
  document.getElementById("what").textContent = preset.selectedOptions[0].dataset.what;
});
preset.dispatchEvent(new Event("change"));
