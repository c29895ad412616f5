import { describe, expect, it } from 'vitest';
import type { Detection, PictureAnswer, Question } from '../api/images';
import { hueOf, needsAsking, placeOf, shownClasses, shownDetections } from './answers';

const box = { x: 10, y: 20, width: 30, height: 40 };
const found = (label: string, score: number, index = 0): Detection => ({ label, score, index, box });
const answer: PictureAnswer = {
  width: 100, height: 200, timing: {},
  classes: [found('b', 0.2), found('a', 0.7), found('c', 0.1)],
  detections: [found('low', 0.3), found('high', 0.9)],
};
const question: Question = { model: 'm', task: 'classify', topK: 3, threshold: 0.5 };

describe('what is shown', () => {
  it('is the likeliest, in order', () => expect(shownClasses(answer, 2).map((c) => c.label)).toEqual(['a', 'b']));
  it('is what reaches the threshold', () => {
    expect(shownDetections(answer, 0.3).map((d) => d.label)).toEqual(['high', 'low']);
    expect(shownDetections(answer, 0.31).map((d) => d.label)).toEqual(['high']);
  });
});

describe('asking again', () => {
  it('is for more, never for less', () => {
    expect(needsAsking(undefined, question)).toBe(true);
    expect(needsAsking(question, question)).toBe(false);
    expect(needsAsking(question, { ...question, topK: 1, threshold: 0.1 })).toBe(false);
    expect(needsAsking(question, { ...question, topK: 4 })).toBe(true);
    const detect: Question = { ...question, task: 'detect' };
    expect(needsAsking(detect, { ...detect, threshold: 0.9, topK: 9 })).toBe(false);
    expect(needsAsking(detect, { ...detect, threshold: 0.4 })).toBe(true);
  });
  it('is for another model', () => expect(needsAsking(question, { ...question, model: 'n' })).toBe(true));
});

describe('a box', () => {
  it('is a share of the picture', () => expect(placeOf(found('x', 1), answer)).toEqual({ left: 10, top: 10, width: 30, height: 20 }));
  it('ends at the edge', () => {
    const over = { ...found('x', 1), box: { x: -10, y: 150, width: 200, height: 100 } };
    expect(placeOf(over, answer)).toEqual({ left: 0, top: 75, width: 100, height: 25 });
  });
  it('is nowhere in a picture without a size', () => {
    expect(placeOf(found('x', 1), { ...answer, width: 0, height: 0 })).toEqual({ left: 0, top: 0, width: 0, height: 0 });
  });
  it('has one of six colours, whatever the index', () => {
    for (const index of [0, 1, 5, 6, 999, -3, 1.5]) expect([1, 2, 3, 4, 5, 6]).toContain(hueOf({ label: '', score: 0, index }));
  });
});
