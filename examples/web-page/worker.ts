/** The worker in which the guest runs: a file of the page's own, so that any bundler finds it. */
import "kseg/web/worker";
