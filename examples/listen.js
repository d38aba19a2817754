// Prints each event of trips_ext as it is pushed: node listen.js postgresql://user@host/database
//   npm install pg
const { Client } = require('pg');

async function main() {
  const client = new Client(process.argv[2]);
  client.on('notification', (event) => console.log(event.payload));
  await client.connect();
  await client.query('LISTEN trips_ingest');
  console.error('listening');
}

main();
