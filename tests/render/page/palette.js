// A picture in at most 256 colours: flat charts and grey text lose nothing that the eye sees.
const COLOURS = 256;

// Returns the palette, and for each pixel its place there, in base64.
export async function inPalette(base64) {
  const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${base64}`)).blob());
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  canvas.drawImage(bitmap, 0, 0);
  const pixels = new Uint32Array(canvas.getImageData(0, 0, width, height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) {
    counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  }
  const chosen = chosenOf(counts);
  const place = new Map([...counts.keys()].map((pixel) => [pixel, nearest(pixel, chosen)]));
  return { width, height, colours: chosen, pixels: await encoded(Uint8Array.from(pixels, (pixel) => place.get(pixel))) };
}

// Of each small cube of colours the commonest one, the fullest cubes first: a rare hue is kept, a rare shade is not.
function chosenOf(counts) {
  const cubes = new Map();
  for (const [pixel, count] of counts) {
    const key = partsOf(pixel).map((part) => part >> 4).join();
    const cube = cubes.get(key) ?? { total: 0, most: 0, pixel };
    cube.total += count;
    if (count > cube.most) {
      Object.assign(cube, { most: count, pixel });
    }
    cubes.set(key, cube);
  }
  const fullest = [...cubes.values()].sort((one, other) => other.total - one.total).slice(0, COLOURS);
  const kept = new Set(fullest.map(({ pixel }) => pixel));
  const common = [...counts].sort((one, other) => other[1] - one[1]);
  for (const [pixel] of common.slice(0, COLOURS)) {
    if (kept.size < COLOURS) {
      kept.add(pixel);
    }
  }
  return [...kept].map(partsOf);
}

function partsOf(pixel) {
  return [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
}

function nearest(pixel, chosen) {
  const parts = partsOf(pixel);
  let best = 0;
  let least = Infinity;
  chosen.forEach((colour, index) => {
    const distance = colour.reduce((sum, part, axis) => sum + (part - parts[axis]) ** 2, 0);
    if (distance < least) {
      [best, least] = [index, distance];
    }
  });
  return best;
}

async function encoded(bytes) {
  const url = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(new Blob([bytes]));
  });
  return url.slice(url.indexOf(',') + 1);
}
