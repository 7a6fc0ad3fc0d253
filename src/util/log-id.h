/* SPDX-License-Identifier: MIT */
#pragma once

/* The MESSAGE_ID of each event an operator must act on. The texts are in packaging/catalog/muster.catalog.
 */

#define LOG_ID_CRASH             "8f6c1d2e0b9a4f7d9a53c4e7b1206f35"
#define LOG_ID_AGENT_FAULT       "3a1f7be2c6d84e0f8b0e5d9c72a4f116"
#define LOG_ID_START_FAILED      "c5d20b7e94f3482aa6e91f0d38b7c264"
#define LOG_ID_RESTART_LIMIT     "61e8a94d5c0b47f3b2d7f80a1c9e3d58"
#define LOG_ID_KILLED            "e04b9f3172d64c58938cf5a60d7b21ea"
#define LOG_ID_HANG              "9032490f29d5431d8e9e83e26d5722dc"
#define LOG_ID_WATCHDOG_WITHHELD "86c159e544404d5fa6ae9590909c1246"
#define LOG_ID_OOM               "bb135d2c0bfe4ed699ca49536e96f88b"
#define LOG_ID_QUARANTINE        "b7d3f06a15c84e92a8047b6dc9e2315f"
#define LOG_ID_REFUSED           "180dfb91adee46dd882a1ea167a481e5"
#define LOG_ID_JOB_LATE          "c1f7a2b95e0d4c3897d1e6b40a83f25c"
#define LOG_ID_UPGRADE           "5b1e7c90d3a84f26b7f04e8a9c6d2137"
#define LOG_ID_BROKER_LOST       "00a695d9eef943308142aeb8461bab93"
#define LOG_ID_BROKER_BACK       "49d6b3564a9a405a8ba42d3181498ebf"
#define LOG_ID_BROKER_DROPPED    "29c781d9ce0c4d8ba920edd3d03c58bf"

#define LOG_ID_SCHEDULE_FAILED   "4d0c6b6f3e8f4c0e9d4f1a72c85be943"
#define LOG_ID_CHILD_CRASH       "d06f4b1a7c2e49d8b3a5e81f6074c9d2"

/* "MESSAGE_ID=…" for log_fields(). */
#define LOG_FIELD_ID(id) ("MESSAGE_ID=" id)
