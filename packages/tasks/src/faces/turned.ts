/** A picture rotated by 90°, and the conversion of faces found in it to the original picture. */
import type { Pyramid } from './pyramid.js';
import type { Pixels, RawFace } from './yunet.js';

/** Degrees clockwise. */
export type Turn = 90 | 270;
export const TURNS: readonly Turn[] = [90, 270];

function turnPixels({ data, width, height }: Pixels, turn: Turn): Pixels {
  const turned = new Uint8Array(data.length);
  for (let y = 0, from = 0; y < height; y++)
    for (let x = 0; x < width; x++, from += 3) {
      const [column, row] = turn === 90 ? [height - 1 - y, x] : [y, width - 1 - x];
      const to = (row * height + column) * 3;
      turned[to] = data[from] as number;
      turned[to + 1] = data[from + 1] as number;
      turned[to + 2] = data[from + 2] as number;
    }
  return { data: turned, width: height, height: width };
}

export const turnedPicture = (picture: Pyramid, turn: Turn): Pyramid => ({
  width: picture.height,
  height: picture.width,
  damage: picture.damage,
  level: async (side) => {
    const { pixels, factor } = await picture.level(side);
    return { pixels: turnPixels(pixels, turn), factor };
  },
});

/** Converts a face to the original picture. @param picture size before the rotation */
export function turnedBack(face: RawFace, turn: Turn, { width, height }: Pick<Pyramid, 'width' | 'height'>): RawFace {
  const back = (x: number, y: number): readonly [number, number] => (turn === 90 ? [y, height - x] : [width - y, x]);
  const [ax, ay] = back(face.x, face.y);
  const [bx, by] = back(face.x + face.width, face.y + face.height);
  return {
    x: Math.min(ax, bx),
    y: Math.min(ay, by),
    width: face.height,
    height: face.width,
    score: face.score,
    points: face.points.map(([x, y]) => back(x, y)),
  };
}
