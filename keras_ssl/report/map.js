// Shows the sample nearest to the pointer: its picture and text beside it, a ring around it in every map.
"use strict";
const data = JSON.parse(document.getElementById("map-data").textContent);
const tip = document.getElementById("tip");
const [thumb, text] = tip.children;
const planes = [...document.querySelectorAll(".plane")];
const rings = planes.map((plane) => plane.appendChild(document.createElement("i")));
rings.forEach((ring) => { ring.className = "ring"; ring.hidden = true; });
const REACH = 16;  // pixels
const SIDE = 96;   // of the picture's longer side on the screen

function nearest(points, x, y, width, height) {
  let best = -1, least = REACH * REACH;
  points.forEach(([left, top], number) => {
    const distance = (left * width - x) ** 2 + (top * height - y) ** 2;
    if (distance < least) [best, least] = [number, distance];
  });
  return best;
}

function show(number, event) {
  text.textContent = data.texts[number];
  thumb.hidden = !data.tile;
  if (data.tile) {
    const [width, height] = data.tile, scale = SIDE / Math.max(width, height);
    const column = number % data.columns, row = Math.floor(number / data.columns);
    thumb.style.width = `${width * scale}px`;
    thumb.style.height = `${height * scale}px`;
    thumb.style.backgroundSize = `${data.columns * width * scale}px auto`;
    thumb.style.backgroundPosition = `${-column * width * scale}px ${-row * height * scale}px`;
  }
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const right = event.clientX + 18 + box.width > innerWidth, below = event.clientY + 18 + box.height > innerHeight;
  tip.style.left = `${event.clientX + (right ? -box.width - 12 : 18)}px`;
  tip.style.top = `${event.clientY + (below ? -box.height - 12 : 18)}px`;
  rings.forEach((ring, map) => {
    const [left, top] = data.maps[map][number];
    ring.style.left = `${100 * left}%`;
    ring.style.top = `${100 * top}%`;
    ring.hidden = false;
  });
}

function hide() {
  tip.hidden = true;
  rings.forEach((ring) => { ring.hidden = true; });
}

planes.forEach((plane, map) => {
  plane.addEventListener("pointermove", (event) => {
    const box = plane.getBoundingClientRect();
    const number = nearest(data.maps[map], event.clientX - box.left, event.clientY - box.top, box.width, box.height);
    if (number < 0) hide(); else show(number, event);
  });
  plane.addEventListener("pointerleave", hide);
});
addEventListener("scroll", hide, { passive: true });
