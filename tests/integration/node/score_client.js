// A client in JavaScript, without generated code: lists the models and scores two rows of zeros.
//   npm install @grpc/grpc-js @grpc/proto-loader && node score_client.js HOST:PORT [CA-FILE TOKEN-FILE]
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [target, ca, tokenFile] = process.argv.slice(2);
const protos = path.join(__dirname, '../../../protos');
const definition = loader.loadSync('automl_ad/rpc/v1/scoring.proto', { includeDirs: [protos], enums: String });
const { ScoringService } = grpc.loadPackageDefinition(definition).automl_ad.rpc.v1;

const credentials = ca ? grpc.credentials.createSsl(fs.readFileSync(ca)) : grpc.credentials.createInsecure();
const client = new ScoringService(target, credentials);
const metadata = new grpc.Metadata();
if (tokenFile) metadata.set('authorization', `Bearer ${fs.readFileSync(tokenFile, 'utf8').trim()}`);

function call(method, request) {
  const deadline = Date.now() + 30_000;
  return new Promise((resolve, reject) =>
    client[method](request, metadata, { deadline }, (error, answer) => (error ? reject(error) : resolve(answer))));
}

function zeros(model, nFeatures) {
  return { model: model.name, doubleMatrix: { nFeatures, values: new Array(2 * nFeatures).fill(0) } };
}

async function main() {
  for (const model of (await call('ListModels', {})).models) {
    console.log(`model ${model.name} ${model.version}`);
    const answer = await call('Score', zeros(model, model.features.length));
    console.log(`scores ${answer.anomalyScore} anomalies ${answer.isAnomaly}`);
    const refused = await call('Score', zeros(model, model.features.length + 1)).catch((error) => error);
    if (refused.code !== grpc.status.INVALID_ARGUMENT) throw new Error(`not refused: ${JSON.stringify(refused)}`);
    console.log(`refused ${refused.message}`);
  }
  client.close();
}

main().catch((error) => { console.error(error.message); process.exit(1); });
