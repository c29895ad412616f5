// What of an answer is shown, and when the server must be asked again: less is cut here at once, more is asked for.
import type { Detection, Finding, PictureAnswer, Question } from '../api/images';

/** Whether `asked` left out what `wanted` shows. */
export function needsAsking(asked: Question | undefined, wanted: Question): boolean {
  if (!asked || asked.model !== wanted.model || asked.task !== wanted.task) return true;
  return wanted.task === 'classify' ? wanted.topK > asked.topK : wanted.threshold < asked.threshold;
}

/** The likeliest first. */
function sorted<T extends Finding>(list: T[]): T[] {
  return [...list].sort((a, b) => b.score - a.score);
}

export function shownClasses(answer: PictureAnswer, topK: number): Finding[] {
  return sorted(answer.classes).slice(0, topK);
}

export function shownDetections(answer: PictureAnswer, threshold: number): Detection[] {
  return sorted(answer.detections).filter((d) => d.score >= threshold);
}

const kHues = 6;

/** The same label has the same colour in every picture. */
export function hueOf(finding: Finding): number {
  return (Math.abs(Math.trunc(finding.index)) % kHues) + 1;
}

/** Of the whole, for places over a picture of any size; a box that reaches over the edge is cut there. */
export function placeOf({ box }: Detection, { width, height }: PictureAnswer) {
  const clamp = (value: number, all: number) => (all > 0 ? Math.max(0, Math.min(1, value / all)) * 100 : 0);
  const left = clamp(box.x, width);
  const top = clamp(box.y, height);
  return { left, top, width: clamp(box.x + box.width, width) - left, height: clamp(box.y + box.height, height) - top };
}
