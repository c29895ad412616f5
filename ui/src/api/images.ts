// One picture asked of POST /v1/images/classify or /v1/images/detect.
import { ApiError, errorOf } from './error';
import type { Task } from './state';

export interface Question {
  model: string;
  task: Task;
  topK: number; // of classes
  threshold: number; // of detections, 0…1
}

export interface Finding {
  label: string;
  index: number;
  score: number;
}
export interface Detection extends Finding {
  box: { x: number; y: number; width: number; height: number }; // pixels of the upright picture
}

export const timingParts = ['decode_ms', 'preprocess_ms', 'queue_ms', 'infer_ms'] as const;
export type Timing = Partial<Record<(typeof timingParts)[number] | 'total_ms', number>>;

export interface PictureAnswer {
  width: number;
  height: number;
  classes: Finding[];
  detections: Detection[];
  timing: Timing;
}

interface Body {
  data?: { width?: number; height?: number; classes?: Finding[]; detections?: Detection[] }[];
  timing?: Timing;
}

/** Throws ApiError; an abort throws whatever `fetch` does. */
export async function askPicture(picture: File, question: Question, signal: AbortSignal): Promise<PictureAnswer> {
  const form = new FormData();
  form.append('model', question.model);
  if (question.task === 'classify') form.append('top_k', String(question.topK));
  else form.append('threshold', String(question.threshold));
  form.append('image', picture, picture.name);
  const response = await fetch(`/v1/images/${question.task}`, { method: 'POST', body: form, signal });
  if (!response.ok) throw await errorOf(response);
  const { data, timing } = (await response.json()) as Body;
  const first = data?.[0];
  if (!first) throw new ApiError('', 0);
  return {
    width: first.width ?? 0,
    height: first.height ?? 0,
    classes: first.classes ?? [],
    detections: first.detections ?? [],
    timing: timing ?? {},
  };
}
