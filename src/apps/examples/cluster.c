/* SPDX-License-Identifier: MIT */

/*
 * The article: "使用集群cluster", as many processes as there are CPUs on one port.
 *
 *     if (cluster.isMaster) {
 *         for (let i = 0; i < numCPUs; i++) cluster.fork();
 *         cluster.on('exit', (worker, code, signal) => console.log(`worker ${worker.process.pid} died`));
 *     } else
 *         http.createServer((req, res) => { res.writeHead(200); res.end('hello world'); }).listen(8000);
 *
 * The upper half is what muster is: `[worker] workers = auto` counts the CPUs that are really there for it, and
 * when a worker dies the log says which, how, and while it did what, and another is there. The article's master
 * only says it and has one less from then on.
 */

#include <muster/app.h>

static void hello(struct muster_request *request) {
        static const char text[] = "hello world";

        muster_respond_static(request, 200, "text/plain", text, sizeof(text) - 1);
}

static const struct muster_route routes[] = {
        { "GET", "/", hello },
        {},
};

MUSTER_APPLICATION(.name = "cluster", .routes = routes);
