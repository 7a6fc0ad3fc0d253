/* SPDX-License-Identifier: MIT */

/* A shared object like any other, for the test that the loader says what is missing in it. */

int not_an_application(void);

__attribute__((__visibility__("default"))) int not_an_application(void) {
        return 0;
}
