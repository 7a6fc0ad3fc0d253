/* SPDX-License-Identifier: MIT */

/*
 * The article: "进程间通讯（IPC）", Node's cluster, whose master says "hi there" to a worker that says it back.
 *
 *     if (cluster.isMaster) {
 *         const worker = cluster.fork();
 *         worker.send('hi there');
 *         worker.on('message', msg => console.log(`msg:${msg} from worker ${worker.id}`));
 *     } else if (cluster.isWorker)
 *         process.on('message', msg => process.send(msg));
 *
 * The master of muster runs no application, so the agent is the one who greets. There is a channel between the master and each
 * of the others and none between those; what the agent sends goes through the master, as the article's next picture
 * has it.
 *
 * In the article the second worker.on() listens for 'mesaage' and the worker calls process.sned(): with those there
 * would be no output.
 */

#include <string.h>

#include <muster/app.h>

/* ---- cluster.isMaster ---- */

static void on_answer(struct muster *muster, struct muster_message *message, void *data) {
        const char *text = muster_message_data(message, NULL);

        muster_log(LOG_INFO, "msg:%s from worker %d", text, (int) muster_message_from(message));
}

static int agent_start(struct muster *muster) {
        return muster_on(muster, "message", on_answer, NULL);
}

static void agent_ready(struct muster *muster) {
        static const char text[] = "hi there";

        (void) muster_send_to_app(muster, "message", text, strlen(text));
}

/* ---- cluster.isWorker ---- */

static void on_message(struct muster *muster, struct muster_message *message, void *data) {
        const void *bytes;
        size_t size;

        bytes = muster_message_data(message, &size);
        (void) muster_send_to(muster, muster_message_from(message), "message", bytes, size);
}

static int worker_start(struct muster *muster) {
        return muster_on(muster, "message", on_message, NULL);
}

MUSTER_APPLICATION(.name = "cluster-message", .agent_start = agent_start, .agent_ready = agent_ready,
                   .worker_start = worker_start);
