// The hardware of one stimulator: converters, memory and a clock of its own.
//
// The outputs follow the time that has passed, by arithmetic, whenever anybody looks and
// at least every millisecond: a host that is late finds its samples missing, as with a
// real device. USB is only the way in: what runs goes on when the plug is pulled.
using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;

namespace Mcs.Usb
{
    public sealed class SimDevice
    {
        public const int TickNs = 20000;

        internal readonly object Guard = new object();
        internal readonly SimOutput[] Channels, Syncouts;
        internal readonly SimRun[] Runs;
        internal readonly SimStore Store;
        internal readonly HashSet<uint> RefusedRates = new HashSet<uint>();

        private object owner;
        private FileStream lockFile;
        private Thread clock;
        private uint nextStatus;

        public readonly string SerialNumber, Name;
        public readonly int NChannels, DacBits;
        public readonly int CurrentRange, CurrentResolution, VoltageRange, VoltageResolution;

        // what can go wrong
        public bool IsLocked;
        public bool IsUsbStalled;
        public int CallbackDelayMs;
        public uint TotalMemory = 64 << 20;

        public bool IsPlugged { get; private set; }
        public uint Rate { get; internal set; }

        internal SimDevice(
            string serialNumber, string name, int nChannels, int dacBits,
            int currentRange, int currentResolution, int voltageRange, int voltageResolution)
        {
            SerialNumber = serialNumber;
            Name = name;
            NChannels = nChannels;
            DacBits = dacBits;
            CurrentRange = currentRange;
            CurrentResolution = currentResolution;
            VoltageRange = voltageRange;
            VoltageResolution = voltageResolution;
            IsPlugged = true;
            Rate = 50000;
            Channels = NewOutputs(nChannels);
            Syncouts = NewOutputs(nChannels);
            Runs = new SimRun[nChannels];
            Store = new SimStore(this);
        }

        // ---- faults -------------------------------------------------------------------

        public void Unplug()
        {
            IsPlugged = false;
            SimBench.Tell(this, false);
        }

        public void Plug()
        {
            IsPlugged = true;
            SimBench.Tell(this, true);
        }

        public void RefuseRate(uint rate)
        {
            RefusedRates.Add(rate);
        }

        // The next call of a connected object fails with this status.
        public void FailOnce(uint status)
        {
            nextStatus = status;
        }

        internal uint Fail()
        {
            uint status = nextStatus;
            nextStatus = 0;
            return status;
        }

        // ---- instruments --------------------------------------------------------------

        // Sync-outs follow the channels.
        public int ReadTrace(int output, out long[] times, out int[] levels)
        {
            lock (Guard)
            {
                Advance();
                SimOutput of = output < NChannels ? Channels[output] : Syncouts[output - NChannels];
                times = of.Times();
                levels = of.Levels();
                return times.Length;
            }
        }

        public SimOutput Output(int output)
        {
            return output < NChannels ? Channels[output] : Syncouts[output - NChannels];
        }

        public void ClearTraces()
        {
            lock (Guard)
                foreach (SimOutput[] outputs in new[] { Channels, Syncouts })
                    foreach (SimOutput output in outputs) output.ClearTrace();
        }

        // Frames that a trigger has put out from data, of zeros for want of data, and how
        // often data have ended while it ran.
        public long[] StreamCounts(int trigger)
        {
            lock (Guard)
            {
                Advance();
                var stream = Runs[trigger] as SimStream;
                if (stream == null) return new long[3];
                return new[] { stream.Played, stream.Zeros, stream.Underruns };
            }
        }

        // When the first sample of each enqueued block was posted, and when it left;
        // they are forgotten by this.
        public int TakeLatencies(int channel, out long[] posted, out long[] played)
        {
            posted = played = new long[0];
            lock (Guard)
            {
                Advance();
                foreach (SimRun run in Runs)
                {
                    var stream = run as SimStream;
                    if (stream != null && stream.TakeLatencies(channel, out posted, out played))
                        return posted.Length;
                }
            }
            return 0;
        }

        // ---- one program at a time ----------------------------------------------------

        internal uint Claim(object by)
        {
            lock (Guard)
            {
                if (!IsPlugged) return CMcsUsbNet.Status_DeviceNotFound;
                if (owner != null || IsLocked || !LockAmongProcesses())
                    return CMcsUsbNet.Status_DeviceLocked;
                owner = by;
                if (clock == null) StartClock();
                return 0;
            }
        }

        internal void Release(object by)
        {
            lock (Guard)
            {
                if (owner != by) return;
                owner = null;
                lockFile.Dispose();
                lockFile = null;
            }
        }

        private bool LockAmongProcesses()
        {
            string path = Path.Combine(SimBench.LockFolder, "mcs-simulated-" + SerialNumber + ".lock");
            FileStream file = null;
            try
            {
                file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
                file.Lock(0, 1);
                lockFile = file;
                return true;
            }
            catch (IOException)
            {
                if (file != null) file.Dispose();
                return false;
            }
        }

        // ---- what runs ----------------------------------------------------------------

        internal void Start(uint triggers)
        {
            lock (Guard)
            {
                long now = Advance();
                foreach (int trigger in Bits(triggers))
                {
                    if (!(Runs[trigger] is SimStream)) Runs[trigger] = Store.NewRun(trigger, Runs[trigger], now);
                    Runs[trigger].Start(now);
                }
                Monitor.PulseAll(Guard);
            }
        }

        internal void Stop(uint triggers, bool waitsForSyncout = false)
        {
            lock (Guard)
            {
                long now = Advance();
                foreach (int trigger in Bits(triggers))
                {
                    SimRun run = Runs[trigger];
                    if (run != null && !(waitsForSyncout && run.IsProtected())) run.Stop(now);
                }
            }
        }

        // Triggers of the other mode end when a device is set up for one.
        internal void EndRuns(bool ofStreams)
        {
            lock (Guard)
            {
                long now = Advance();
                for (int trigger = 0; trigger < NChannels; trigger++)
                {
                    SimRun run = Runs[trigger];
                    if (run == null || run is SimStream != ofStreams) continue;
                    if (run.IsRunning) run.Stop(now);
                    Runs[trigger] = null;
                }
            }
        }

        internal IEnumerable<int> Bits(uint map)
        {
            for (int bit = 0; bit < NChannels; bit++)
                if ((map >> bit & 1) != 0) yield return bit;
        }

        // Let all outputs be what they are at this time, and say which it is.
        internal long Advance()
        {
            long now = SimClock.Now();
            foreach (SimRun run in Runs)
                if (run != null && run.IsRunning) run.AdvanceTo(now);
            return now;
        }

        private void StartClock()
        {
            clock = new Thread(RunClock);
            clock.IsBackground = true;
            clock.Start();
        }

        private void RunClock()
        {
            while (true)
            {
                lock (Guard)
                {
                    Advance();
                    if (!Array.Exists(Runs, run => run != null && run.IsRunning)) Monitor.Wait(Guard, 50);
                }
                Thread.Sleep(1);
            }
        }

        // ---- values -------------------------------------------------------------------

        // A streamed word is left-justified; the converter has no use for the lowest bits.
        internal int LevelOfWord(SimOutput output, short word)
        {
            return (word >> 16 - DacBits) * Resolution(output);
        }

        internal int LevelOfAmplitude(SimOutput output, int amplitude)
        {
            int resolution = Resolution(output);
            int range = output.IsVoltage ? VoltageRange : CurrentRange;
            if (Math.Abs((long)amplitude) > range)
            {
                output.Clipped++;
                amplitude = Math.Sign(amplitude) * range;
            }
            return (int)Math.Round(amplitude / (double)resolution) * resolution;
        }

        internal int Resolution(SimOutput output)
        {
            return output.IsVoltage ? VoltageResolution : CurrentResolution;
        }

        internal CMcsUsbListEntryNet Entry()
        {
            ProductIdEnumNet product = NChannels == 2 ? ProductIdEnumNet.STG4002
                : NChannels == 4 ? ProductIdEnumNet.STG4004 : ProductIdEnumNet.STG4008;
            var entry = new CMcsUsbListEntryNet();
#if GENERATION_5
            VendorIdEnumNet vendor = VendorIdEnumNet.MCS;
#else
            VendorIdEnumNet vendor = VendorIdEnumNet.Mcs;
#endif
            entry.DeviceId = new DeviceIdNet(vendor, product, 0, McsBusTypeEnumNet.MCS_USB_BUS);
            entry.DeviceName = Name;
            entry.Product = Name;
            entry.SerialNumber = SerialNumber;
            entry.Manufacturer = "simulated";
            entry.HwVersion = "simulated";
            return entry;
        }

        private static SimOutput[] NewOutputs(int n)
        {
            var outputs = new SimOutput[n];
            for (int i = 0; i < n; i++) outputs[i] = new SimOutput();
            return outputs;
        }
    }

    // What a trigger has started.
    internal abstract class SimRun
    {
        internal bool IsRunning;
        internal bool IsFinished;

        internal abstract void Start(long now);
        internal abstract void AdvanceTo(long now);
        internal abstract void Stop(long now);

        // Whether a sync-out marks the output as not to be cut off.
        internal virtual bool IsProtected()
        {
            return false;
        }
    }
}
