// The real server with parts that a test writes itself in front of it: models that look at pictures, traces, who may load.
import zlib from 'node:zlib';
import { startFront } from './rig.mjs';

/** A PNG of one colour. */
export function png(width, height, [r, g, b]) {
  const row = Buffer.concat([Buffer.from([0]), Buffer.concat(Array(width).fill(Buffer.from([r, g, b])))]);
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const whole = Buffer.alloc(body.length + 8);
    whole.writeUInt32BE(data.length, 0);
    body.copy(whole, 4);
    whole.writeUInt32BE(zlib.crc32(body), body.length + 4);
    return whole;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head),
    chunk('IDAT', zlib.deflateSync(Buffer.concat(Array(height).fill(row)))), chunk('IEND', Buffer.alloc(0))]);
}

async function formOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return new Response(Buffer.concat(parts), { headers: { 'content-type': request.headers['content-type'] } }).formData();
}

const json = (response, status, value) =>
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));

/**
 * The server at `target` with `world` in front: `world.models` are added to its state and `world.control` set; `world.traces`
 * are its traces (undefined: it has none); `world.look({ task, model, name, topK, threshold })` answers for a picture with
 * { status?, body }; what arrived is in `world.asked`. With `world.adminUrl` the routes that load are the operator's, after
 * `world.hold`; `world.seen(model)` is how a model is shown meanwhile.
 */
export function startWorld(target, world) {
  world.asked ??= [];
  const state = async (_, response) => {
    const real = await (await fetch(`${target}/ui/state`)).json();
    json(response, 200, { ...real, ...(world.control ? { control: world.control } : {}), models: [...real.models.map(world.seen ?? ((m) => m)), ...(world.models ?? [])] });
  };
  const look = async (request, response) => {
    const form = await formOf(request);
    const image = form.get('image');
    const question = { task: request.url.split('/').pop(), model: form.get('model'), name: image.name, bytes: image.size,
      topK: form.get('top_k'), threshold: form.get('threshold') };
    world.asked.push(question);
    const { status = 200, body } = await world.look(question);
    json(response, status, body);
  };
  const control = async (request, response) => {
    world.controlled = [...(world.controlled ?? []), request.url];
    await world.hold;
    if (world.refuse) return json(response, 409, { error: world.refuse });
    const answer = await fetch(`${world.adminUrl}${request.url}`, { method: 'POST' });
    response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(await answer.text());
  };
  const guarded = (act) => (request, response) => act(request, response).catch(() => response.destroy());
  return startFront(target, ({ url }) => {
    if (url === '/ui/state') return guarded(state);
    if (url.startsWith('/v1/images/')) return guarded(look);
    if (url.startsWith('/v2/repository/models/') && world.adminUrl) return guarded(control);
    if (url === '/ui/trace') return (_, response) => (world.traces ? json(response, 200, { traces: world.traces }) : json(response, 404, { error: 'none' }));
    return undefined;
  });
}
