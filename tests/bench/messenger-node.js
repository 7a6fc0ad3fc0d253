// SPDX-License-Identifier: MIT

// What messages between two workers cost where the model comes from: Node's cluster module, whose primary passes on what
// one worker sends to another, as Egg's messenger has it.
//
// Reads commands from its standard input, one a line, and answers each with a line of JSON:
//   flood MILLISECONDS WINDOW SIZE   one way, with so many under way; what the receiver has counted once a quarter of
//                                    the time was over, and the ns from there to the end
//   unthrottled MILLISECONDS SIZE    the same by a sender that waits for nobody
//   rtt COUNT SIZE                   round trips of four hops, one after another
// Its first line says the pids.

'use strict';

const cluster = require('cluster');

const BATCH = 100;

const now = () => process.hrtime.bigint();

function primary() {
        const workers = [cluster.fork(), cluster.fork()];
        let ready = 0;

        const print = (value) => process.stdout.write(JSON.stringify(value) + '\n');
        for (const worker of workers)
                worker.on('message', (message) => {
                        if (message.to > 0)
                                cluster.workers[message.to].send(message);
                        else if (message.action !== 'ready')
                                print(message.data);
                        else if (++ready === workers.length)
                                print({ pids: [process.pid, ...workers.map((w) => w.process.pid)] });
                });
        require('readline')
                .createInterface({ input: process.stdin })
                .on('line', (line) => {
                        const [action, ...numbers] = line.split(' ');
                        workers[0].send({ action, data: numbers.map(Number) });
                })
                .on('close', () => process.exit(0));
}

function worker() {
        const other = cluster.worker.id === 1 ? 2 : 1;
        const send = (action, data, to = other) => process.send({ action, to, from: process.pid, data });
        let flow, counter, trips;

        function sendSome(count) {
                for (; count > 0; count--)
                        send('tick', flow.text);
        }

        const handlers = {
                // The sender
                flood([milliseconds, window, size]) {
                        flow = { text: 'x'.repeat(size), quarter: window / 4, under_way: 4,
                                 end: now() + BigInt(milliseconds) * 1000000n };
                        send('begin', { milliseconds, quarter: flow.quarter, acks: true });
                        sendSome(window);
                },
                unthrottled([milliseconds, size]) {
                        flow = { text: 'x'.repeat(size), end: now() + BigInt(milliseconds) * 1000000n };
                        send('begin', { milliseconds, quarter: BATCH });
                        const more = () => {
                                if (now() >= flow.end) {
                                        send('end');
                                        return;
                                }
                                sendSome(BATCH);
                                setImmediate(more);
                        };
                        more();
                },
                ack() {
                        if (now() < flow.end)
                                sendSome(flow.quarter);
                        else if (--flow.under_way === 0)
                                send('end');
                },
                result(data) {
                        send('done', data, 0);
                },
                // The receiver
                begin({ milliseconds, quarter, acks }) {
                        counter = { quarter, acks, count: 0, warm: now() + BigInt(milliseconds) * 250000n,
                                    end: now() + BigInt(milliseconds) * 1000000n };
                },
                tick() {
                        if (++counter.count % counter.quarter !== 0)
                                return;
                        if (counter.acks)
                                send('ack');
                        // What comes when nobody sends any more is not the rate of the three
                        const last = { count: counter.count, time: now() };
                        if (!counter.first && last.time >= counter.warm)
                                counter.first = last;
                        if (!counter.last || last.time <= counter.end)
                                counter.last = last;
                },
                end() {
                        send('result', { count: counter.last.count - counter.first.count,
                                         ns: Number(counter.last.time - counter.first.time), total: counter.count });
                },
                // Round trips
                rtt([count, size]) {
                        trips = { count, text: 'x'.repeat(size), spans: [], began: now() };
                        send('ping', trips.text);
                },
                ping(data) {
                        send('pong', data);
                },
                pong() {
                        trips.spans.push(Number(now() - trips.began));
                        if (trips.spans.length < trips.count) {
                                trips.began = now();
                                send('ping', trips.text);
                                return;
                        }
                        const spans = trips.spans.sort((a, b) => a - b);
                        send('done', { median_ns: spans[spans.length >> 1],
                                       mean_ns: Math.round(spans.reduce((a, b) => a + b) / spans.length),
                                       p99_ns: spans[Math.floor(spans.length * 0.99)] }, 0);
                },
        };

        process.on('message', (message) => handlers[message.action](message.data));
        process.on('disconnect', () => process.exit(0));
        send('ready', undefined, 0);
}

if (cluster.isMaster)
        primary();
else
        worker();
