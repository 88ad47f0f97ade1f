for (const slider of document.querySelectorAll(".wipe input")) {
  const show = () => {
    slider.closest(".wipe").style.setProperty("--at", slider.value + "%");
    slider.setAttribute("aria-valuetext", Math.round(slider.value) + " % " + slider.dataset.left);
  };
  slider.addEventListener("input", show);
  show(); // browsers restore where a slider was
}
