// Node-RED as it comes, without anything that needs a network beyond this machine: no editor, no catalogue of nodes, no
// telemetry. The flow inserts through one pool of the `pg` driver, with as many connections as that has by default.
const { Pool } = require("pg");

module.exports = {
    uiHost: "127.0.0.1",
    uiPort: Number(process.env.PEER_HTTP_PORT),
    httpAdminRoot: false,
    httpNodeRoot: false,
    disableEditor: true,
    credentialSecret: false,
    telemetry: { enabled: false, updateNotification: false },
    externalModules: {
        autoInstall: false,
        palette: { allowInstall: false, allowUpload: false },
        modules: { allowInstall: false },
    },
    functionGlobalContext: { pool: new Pool({ connectionString: process.env.PEER_DATABASE_URL }) },
    logging: { console: { level: "info", metrics: false, audit: false } },
};
