package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// patience is the longest time that a test waits for what must happen, in seconds.
const patience = 15

// environment is what all tests share.
type environment struct {
	programs string // folder of the binaries users and orders
	chromium string // path of the browser
	browser  context.Context
}

// shared is set by TestMain.
var shared environment

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run builds the programs and runs the tests. Without Chromium it skips them, but in CI it fails.
func run(m *testing.M) int {
	shared.chromium = findChromium()
	if shared.chromium == "" {
		fmt.Println("There is no Chromium: the tests in the browser are skipped. Debian has the package chromium.")
		if os.Getenv("CI") == "true" {
			return 1
		}
		return 0
	}
	folder, err := os.MkdirTemp("", "browsertest")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(folder)
	shared.programs = folder
	build := exec.Command("go", "build", "-o", folder+string(filepath.Separator), "./src/cmd/users", "./src/cmd/orders")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("build the programs: %v: %s\n", err, out)
		return 1
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), browserOptions(filepath.Join(folder, "profile"))...)
	defer stop()
	browser, closeBrowser := chromedp.NewContext(allocator)
	defer closeBrowser()
	if err := chromedp.Do(browser); err != nil {
		fmt.Println("start", shared.chromium+":", err)
		return 1
	}
	shared.browser = browser
	return m.Run()
}

// findChromium returns the path of the browser, or the empty string.
func findChromium() string {
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}

// browserOptions are the flags of the browser: it asks nobody for anything by itself.
func browserOptions(profile string) []chromedp.ExecAllocatorOption {
	return append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(shared.chromium), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("lang", "en-US"), chromedp.Flag("hide-scrollbars", true))
}
