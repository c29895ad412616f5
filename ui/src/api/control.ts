// Loading and unloading a model, where the server lets its own pages do so.
import { errorOf } from './error';

/** Comes back when it is done. Throws ApiError with the server's sentence. */
export async function controlModel(name: string, what: 'load' | 'unload') {
  const response = await fetch(`/v2/repository/models/${encodeURIComponent(name)}/${what}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{}',
  });
  if (!response.ok) throw await errorOf(response);
}
