// Two pictures of one place, one over the other as far as the slider says; which two is chosen below.
for (const place of document.querySelectorAll(".place")) {
  const pair = place.querySelector(".pair"), slider = pair.querySelector("input");
  const shown = [pair.querySelector(".over"), pair.querySelector(".under")];
  const source = Object.fromEntries([...place.querySelectorAll(".thumbs img")].map((img) => [img.alt, img.src]));
  const choose = () => place.querySelectorAll("select").forEach((select, k) => {
    shown[k].src = source[select.value];
    shown[k].alt = select.value;
  });
  slider.addEventListener("input", () => pair.style.setProperty("--cut", slider.value + "%"));
  place.querySelectorAll("select").forEach((select) => select.addEventListener("change", choose));
  choose();
}
