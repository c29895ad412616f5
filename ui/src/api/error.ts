// How the server says no, in each of its dialects.

/** What the server said, or that it could not be reached (status 0). */
export class ApiError extends Error {
  constructor(message: string, readonly status: number, readonly code = '') {
    super(message);
  }
}

/** {"error": {"message", "code"}} of /v1, {"error": "…"} of /v2. */
export async function errorOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as { error?: string | { message?: string; code?: string } } | null;
  const error = typeof body?.error === 'string' ? { message: body.error } : body?.error;
  return new ApiError(error?.message ?? response.statusText, response.status, error?.code ?? '');
}

/** What a person is told: the server's own sentence where there is one. */
export function sentenceOf(error: unknown, unreachable: string): string {
  return (error instanceof ApiError && error.status > 0 && error.message) || unreachable;
}
