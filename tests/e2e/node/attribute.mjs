// node attribute.mjs ADDRESS PROTOS GOOGLE PHOTOGRAPH MODEL
//
// Lists the models, classifies, explains and compares a photograph, watches a long method, asks wrong questions, and
// prints all that as JSON.
// PROTOS: the folder of convscope/v1. GOOGLE: the folder of google/rpc.

import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const [address, protos, google, photograph, model] = process.argv.slice(2);
const files = ['attribution_service', 'model_service'].map((name) => `convscope/v1/${name}.proto`);
const definition = loader.loadSync([...files, 'google/rpc/error_details.proto'], {
  includeDirs: [protos, google],
  keepCase: true,
  longs: Number,
  enums: String,
});
const { convscope } = grpc.loadPackageDefinition(definition);
const credentials = grpc.credentials.createInsecure();
const attribution = new convscope.v1.AttributionService(address, credentials);
const models = new convscope.v1.ModelService(address, credentials);

function call(client, method, request) {
  const deadline = Date.now() + 30_000;
  return promisify(client[method].bind(client))(request, new grpc.Metadata(), { deadline });
}

// gRPC's rich errors are not decoded by grpc-js: the trailer holds a google.rpc.Status.
function details(error) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const status = definition['google.rpc.Status'].deserialize(bytes);
  const unpacked = {};
  for (const { type_url: url, value } of status.details) {
    const name = url.slice(url.lastIndexOf('/') + 1);
    unpacked[name] = definition[name].deserialize(value);
  }
  return unpacked;
}

async function refusal(request) {
  try {
    await call(attribution, 'Attribute', request);
  } catch (error) {
    return { code: error.code, message: error.details, details: details(error) };
  }
  throw new Error('the wrong question was answered');
}

function stream(requests) {
  return new Promise((resolve, reject) => {
    const answers = {};
    const duplex = attribution.AttributeStream({ deadline: Date.now() + 30_000 });
    duplex.on('data', ({ id, response, error }) => (answers[id] = response ? response.target.label : error.code));
    duplex.on('error', reject);
    duplex.on('end', () => resolve(answers));
    Object.entries(requests).forEach(([id, request]) => duplex.write({ id, request }));
    duplex.end();
  });
}

function watch(request) {
  return new Promise((resolve, reject) => {
    const seen = { progress: [], answers: 0 };
    const duplex = attribution.AttributeStream({ deadline: Date.now() + 60_000 });
    duplex.on('data', ({ progress, response }) => {
      if (progress) seen.progress.push([progress.done ?? 0, progress.total]);
      if (response) seen.answers += 1;
    });
    duplex.on('error', reject);
    duplex.on('end', () => resolve(seen));
    duplex.write({ id: 'watched', request, progress: true });
    duplex.end();
  });
}

const question = { model: `models/${model}`, image: { encoded: readFileSync(photograph) }, method: { grad_cam: {} } };
const listed = await call(models, 'ListModels', {});
const classified = await call(attribution, 'Classify', { model: question.model, image: question.image, top_k: 3 });
const explained = await call(attribution, 'Attribute', { ...question, heatmap: true });
const variants = [{ method: { saliency: {} } }, { method: question.method, target: { class_label: 'tabby' } }];
const compared = await call(attribution, 'Compare', { model: question.model, image: question.image, variants });
const failure = { model: question.model, image: question.image, truth: { label: 'tabby' } };
const analysis = await call(attribution, 'AnalyzeFailure', failure);
const occlusion = { ...question, method: { occlusion: { window: 56, stride: 56 } } };
const wrong = { ...question, method: { grad_cam: { layer: 'blocks.99' } } };
const result = {
  models: listed.models.map(({ name, state }) => ({ name, state })),
  predictions: classified.predictions,
  region: explained.region,
  target: explained.target,
  target_name: explained.target_name,
  explained: explained.explained,
  reduction: explained.reduction,
  layer: explained.layer,
  shape: explained.attribution.shape,
  data_type: explained.attribution.data_type,
  data: explained.attribution.data.toString('base64'),
  heatmap: { shape: explained.heatmap.shape, data: explained.heatmap.data.toString('base64') },
  compared: compared.attributions.map(({ target_name }) => target_name),
  failure: { correct: analysis.correct ?? false, said: analysis.said.target_name, truth: analysis.truth.target_name },
  watched: await watch(occlusion),
  refusal: await refusal(wrong),
  stream: await stream({ right: question, wrong }),
};
attribution.close();
models.close();
console.log(JSON.stringify(result));
