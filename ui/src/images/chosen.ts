// The model that is asked about pictures.
import { signal } from '@preact/signals';
import { recall, remember } from '../store/preferences';

export const chosenImageModel = signal(recall('image-model') ?? '');

export function chooseImageModel(name: string) {
  chosenImageModel.value = name;
  remember('image-model', name);
}
